"""Views of the registry: list, one contract, its PDF, its scan, documents, JSON."""

import os
import time

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import Count, Q, QuerySet, Sum
from django.http import FileResponse, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST, require_safe

from registry import pdf, scanner
from registry.forms import DocumentForm
from registry.models import Contract, Document

PAGE_SIZE = 20
JSON_PAGE_SIZE = 50
# Documents on the upload page.
RECENT_DOCUMENTS = 25


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """A page of contracts, with the totals of all that match."""
    query = request.GET.get("q", "").strip()
    matching = _matching(query)
    page = Paginator(matching, PAGE_SIZE).get_page(request.GET.get("page"))
    by_status = {
        row["status"]: row for row in matching.order_by().values("status").annotate(number=Count("pk"), total=Sum("value"))
    }
    totals = [
        {"label": label, "status": status, **by_status.get(status, {"number": 0})} for status, label in Contract.Status.choices
    ]
    return render(
        request,
        "registry/home.html",
        {
            "page": page,
            "query": query,
            "totals": totals,
            "value": sum(row["total"] for row in by_status.values()),
        },
    )


def _matching(query: str) -> QuerySet[Contract]:
    contracts = Contract.objects.select_related("customer")
    if query:
        contracts = contracts.filter(Q(number__icontains=query) | Q(title__icontains=query) | Q(customer__name__icontains=query))
    return contracts


@require_safe
def contract(request: HttpRequest, pk: int) -> HttpResponse:
    """One contract with its items and documents."""
    found = get_object_or_404(Contract.objects.select_related("customer"), pk=pk)
    return render(request, "registry/contract.html", {"contract": found})


@require_safe
def download(request: HttpRequest, pk: int) -> HttpResponse:
    """The contract as a PDF, rendered for this request."""
    found = get_object_or_404(Contract.objects.select_related("customer").prefetch_related("items"), pk=pk)
    began = time.perf_counter()
    content = pdf.render(found, request.build_absolute_uri(found.get_absolute_url()))
    spent = time.perf_counter() - began
    response = HttpResponse(
        content,
        content_type="application/pdf",
        headers={
            "Content-Disposition": f'attachment; filename="{found.number}.pdf"',
            # Read by the race page: what was work, the rest was waiting.
            "Server-Timing": f"render;dur={spent * 1000:.1f}",
            "X-Worker-Pid": str(os.getpid()),
        },
    )
    if settings.DEMO:
        # The race page asks under further names of the same server, because a
        # browser opens only six HTTP/1.1 connections to one name.
        response["Access-Control-Allow-Origin"] = "*"
        response["Access-Control-Expose-Headers"] = "Server-Timing, X-Worker-Pid"
    return response


@require_safe
def scan(request: HttpRequest, pk: int) -> HttpResponse:
    """What the slow external service says about the contract."""
    found = get_object_or_404(Contract.objects.select_related("customer"), pk=pk)
    report = scanner.scan(found)
    context = {"contract": found, "report": report}
    return render(request, "registry/scan.html", context)


@require_POST
@login_required
def sign(request: HttpRequest, pk: int) -> HttpResponse:
    """Sign a draft: from then on the contract is active."""
    waiting = Contract.objects.filter(pk=pk, status__in=[Contract.Status.DRAFT, Contract.Status.REVIEW])
    found = get_object_or_404(Contract, pk=pk)
    if waiting.update(status=Contract.Status.ACTIVE):
        messages.success(request, f"{found.number} is signed.")
    else:
        messages.warning(request, f"{found.number} does not wait for a signature.")
    return redirect(found)


def documents(request: HttpRequest) -> HttpResponse:
    """The latest documents and a form to upload another."""
    form = DocumentForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        # The model keeps the name that the storage may have to change.
        form.instance.name = os.path.basename(form.cleaned_data["file"].name)
        saved = form.save()
        messages.success(request, f"{saved.name} is uploaded.")
        return redirect("documents")
    recent = Document.objects.select_related("contract")[:RECENT_DOCUMENTS]
    return render(request, "registry/documents.html", {"form": form, "documents": recent})


@require_GET
def document(request: HttpRequest, pk: int) -> FileResponse:
    """An uploaded file, under the name that it was uploaded with."""
    found = get_object_or_404(Document, pk=pk)
    return FileResponse(found.file.open("rb"), as_attachment=True, filename=found.name)


@require_safe
def contracts_json(request: HttpRequest) -> JsonResponse:
    """A page of contracts as JSON."""
    page = Paginator(_matching(""), JSON_PAGE_SIZE).get_page(request.GET.get("page"))
    return JsonResponse(
        {
            "count": page.paginator.count,
            "page": page.number,
            "pages": page.paginator.num_pages,
            "contracts": [
                {
                    "id": found.pk,
                    "number": found.number,
                    "title": found.title,
                    "customer": found.customer.name,
                    "status": found.status,
                    "value": found.value,
                    "starts_on": found.starts_on,
                    "ends_on": found.ends_on,
                }
                for found in page
            ],
        }
    )
