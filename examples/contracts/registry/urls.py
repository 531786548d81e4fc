from django.urls import path

from registry import views

urlpatterns = [
    path("", views.home, name="home"),
    path("contract/<int:pk>/", views.contract, name="contract"),
    path("contract/<int:pk>/download", views.download, name="download"),
    path("contract/<int:pk>/scan", views.scan, name="scan"),
    path("contract/<int:pk>/sign", views.sign, name="sign"),
    path("documents/", views.documents, name="documents"),
    path("documents/<int:pk>/download", views.document, name="document"),
    path("api/contracts.json", views.contracts_json, name="contracts-json"),
]
