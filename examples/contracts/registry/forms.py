from django import forms

from registry.models import Contract, Document


class DocumentForm(forms.ModelForm):
    """Upload of one file, for a contract named by its number or for none."""

    contract = forms.ModelChoiceField(
        Contract.objects,
        to_field_name="number",
        required=False,
        widget=forms.TextInput(attrs={"placeholder": "C-2026-0001 (optional)"}),
        error_messages={"invalid_choice": "There is no contract with this number."},
    )

    class Meta:
        model = Document
        fields = ["file", "contract"]
