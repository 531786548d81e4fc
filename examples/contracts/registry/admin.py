from django.contrib import admin

from registry.models import Contract, Customer, Document, Item

admin.site.site_header = "Contracts"
admin.site.site_title = "Contracts"


class ItemInline(admin.TabularInline):
    model = Item
    extra = 0


@admin.register(Contract)
class ContractAdmin(admin.ModelAdmin):
    list_display = ["number", "title", "customer", "status", "value", "starts_on"]
    list_filter = ["status", "manager"]
    list_select_related = ["customer"]
    search_fields = ["number", "title", "customer__name"]
    autocomplete_fields = ["customer"]
    date_hierarchy = "starts_on"
    inlines = [ItemInline]


@admin.register(Customer)
class CustomerAdmin(admin.ModelAdmin):
    list_display = ["name", "city", "country", "email"]
    list_filter = ["country"]
    search_fields = ["name", "city"]


@admin.register(Document)
class DocumentAdmin(admin.ModelAdmin):
    list_display = ["name", "contract", "size", "uploaded_at"]
    list_select_related = ["contract"]
    autocomplete_fields = ["contract"]
