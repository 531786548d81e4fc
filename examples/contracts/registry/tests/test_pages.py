"""The pages of the registry, as a visitor sees them."""

import tempfile
from pathlib import Path

from django.contrib.auth import get_user_model
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.test import TestCase, override_settings
from django.urls import reverse

from registry.models import Contract, Customer, Document


class FilledTestCase(TestCase):
    """A database with sixty contracts and the demo user."""

    @classmethod
    def setUpTestData(cls) -> None:
        call_command("fill", contracts=60, customers=12, verbosity=0, stdout=Null())
        cls.contract = Contract.objects.select_related("customer").first()


class Null:
    """A stream that forgets what is written to it."""

    def write(self, _text: str) -> None:
        pass


class HomePage(FilledTestCase):
    def test_shows_a_page_of_fifty_and_the_totals_of_all(self) -> None:
        response = self.client.get("/")
        self.assertContains(response, "60 contracts")
        self.assertContains(response, '<td class="mono">', count=20)
        counts = [row["number"] for row in response.context["totals"]]
        self.assertEqual(sum(counts), 60)
        total = sum(Contract.objects.values_list("value", flat=True))
        self.assertEqual(response.context["value"], total)

    def test_needs_three_queries_however_many_contracts_it_shows(self) -> None:
        with self.assertNumQueries(3):
            self.client.get("/")

    def test_second_page_shows_the_rest(self) -> None:
        self.assertContains(self.client.get("/?page=3"), '<td class="mono">', count=20)

    def test_search_finds_by_number_and_by_customer(self) -> None:
        response = self.client.get("/", {"q": self.contract.number})
        self.assertContains(response, '<td class="mono">', count=1)
        name = self.contract.customer.name
        found = self.client.get("/", {"q": name}).context["page"].object_list
        self.assertEqual({contract.customer.name for contract in found}, {name})

    def test_an_empty_database_says_how_to_fill_it(self) -> None:
        Contract.objects.all().delete()
        self.assertContains(self.client.get("/"), "manage.py fill")


class ContractPages(FilledTestCase):
    def test_contract_shows_its_items(self) -> None:
        response = self.client.get(self.contract.get_absolute_url())
        self.assertContains(response, self.contract.title)
        for item in self.contract.items.all():
            self.assertContains(response, item.description)

    def test_unknown_contract_is_not_found(self) -> None:
        for name in ("contract", "download", "scan"):
            url = reverse(name, args=[999999])
            with self.subTest(url):
                self.assertEqual(self.client.get(url).status_code, 404)

    def test_download_is_a_pdf_of_several_pages(self) -> None:
        response = self.client.get(f"/contract/{self.contract.pk}/download")
        self.assertEqual(response["Content-Type"], "application/pdf")
        self.assertEqual(
            response["Content-Disposition"],
            f'attachment; filename="{self.contract.number}.pdf"',
        )
        self.assertRegex(response["Server-Timing"], r"^render;dur=\d+\.\d$")
        self.assertTrue(response.content.startswith(b"%PDF-"))
        self.assertTrue(response.content.rstrip().endswith(b"%%EOF"))
        pages = response.content.count(b"/Type /Page\n")
        self.assertGreaterEqual(pages, 5)

    def test_pdf_takes_names_with_markup_as_text(self) -> None:
        self.contract.customer.name = "<b>Hide & Seek"
        self.contract.customer.save()
        response = self.client.get(f"/contract/{self.contract.pk}/download")
        self.assertEqual(response.status_code, 200)

    def test_pdf_of_a_contract_without_items(self) -> None:
        self.contract.items.all().delete()
        response = self.client.get(f"/contract/{self.contract.pk}/download")
        self.assertEqual(response.status_code, 200)

    @override_settings(DEMO=False)
    def test_other_origins_may_read_pdfs_of_the_demo_only(self) -> None:
        response = self.client.get(f"/contract/{self.contract.pk}/download")
        self.assertNotIn("Access-Control-Allow-Origin", response)

    @override_settings(SCAN_SECONDS=0.05)
    def test_scan_waits_as_long_as_the_setting_says(self) -> None:
        response = self.client.get(f"/contract/{self.contract.pk}/scan")
        self.assertContains(response, "none found")
        self.assertGreaterEqual(response.context["report"].seconds, 0.05)


class Signing(FilledTestCase):
    def setUp(self) -> None:
        self.contract.status = Contract.Status.DRAFT
        self.contract.save()
        self.url = f"/contract/{self.contract.pk}/sign"

    def test_sends_a_stranger_to_the_login(self) -> None:
        response = self.client.post(self.url)
        self.assertRedirects(response, f"/login/?next={self.url}")

    def test_makes_a_draft_active_once(self) -> None:
        self.client.login(username="demo", password="demo")
        response = self.client.post(self.url, follow=True)
        self.assertContains(response, "is signed")
        self.contract.refresh_from_db()
        self.assertEqual(self.contract.status, Contract.Status.ACTIVE)
        response = self.client.post(self.url, follow=True)
        self.assertContains(response, "does not wait for a signature")


class LoginAndAdmin(FilledTestCase):
    def test_login_leads_home_and_logout_back_out(self) -> None:
        response = self.client.post("/login/", {"username": "demo", "password": "demo"}, follow=True)
        self.assertContains(response, "Log out demo")
        self.assertContains(self.client.post("/logout/", follow=True), "Log in")

    def test_wrong_password_stays_at_the_login(self) -> None:
        response = self.client.post("/login/", {"username": "demo", "password": "x"})
        self.assertContains(response, "correct username and password")

    def test_admin_lists_contracts(self) -> None:
        self.client.login(username="demo", password="demo")
        response = self.client.get("/admin/registry/contract/")
        self.assertContains(response, self.contract.number)
        for model in ("contract", "customer", "document"):
            url = f"/admin/registry/{model}/add/"
            self.assertEqual(self.client.get(url).status_code, 200, url)


class Documents(FilledTestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        media = override_settings(MEDIA_ROOT=Path(folder.name))
        media.enable()
        self.addCleanup(media.disable)

    def upload(self, name: str, content: bytes, contract: str = ""):
        file = SimpleUploadedFile(name, content)
        return self.client.post("/documents/", {"file": file, "contract": contract}, follow=True)

    def test_what_is_uploaded_comes_back_unchanged(self) -> None:
        content = bytes(range(256)) * 400
        response = self.upload("annex größe.bin", content, self.contract.number)
        self.assertContains(response, "annex größe.bin is uploaded")
        document = Document.objects.get()
        self.assertEqual(document.contract, self.contract)
        self.assertEqual(document.size, len(content))
        response = self.client.get(f"/documents/{document.pk}/download")
        self.assertEqual(b"".join(response.streaming_content), content)
        self.assertEqual(response["Content-Length"], str(len(content)))
        self.assertIn("attachment", response["Content-Disposition"])
        self.assertContains(self.client.get(self.contract.get_absolute_url()), "annex größe.bin")

    def test_two_files_of_one_name_keep_their_contents(self) -> None:
        self.upload("a.txt", b"one")
        self.upload("a.txt", b"two")
        answers = [
            b"".join(self.client.get(f"/documents/{pk}/download").streaming_content)
            for pk in Document.objects.order_by("pk").values_list("pk", flat=True)
        ]
        self.assertEqual(answers, [b"one", b"two"])
        names = Document.objects.values_list("name", flat=True)
        self.assertEqual(list(names), ["a.txt", "a.txt"])

    def test_unknown_contract_is_refused(self) -> None:
        response = self.upload("a.txt", b"one", "C-0000-0000")
        self.assertContains(response, "no contract with this number")
        self.assertFalse(Document.objects.exists())


class Json(FilledTestCase):
    def test_is_a_page_of_contracts(self) -> None:
        answer = self.client.get("/api/contracts.json").json()
        self.assertEqual((answer["count"], answer["pages"]), (60, 2))
        self.assertEqual(len(answer["contracts"]), 50)
        self.assertEqual(answer["contracts"][0]["number"], self.contract.number)
        self.assertEqual(answer["contracts"][0]["customer"], self.contract.customer.name)


class Fill(TestCase):
    def fill(self, **options) -> None:
        call_command("fill", **options, stdout=Null())

    def test_filling_twice_adds_nothing(self) -> None:
        self.fill(contracts=30, customers=8)
        before = list(Contract.objects.values_list("pk", "number", "value"))
        self.fill(contracts=30, customers=8)
        after = list(Contract.objects.values_list("pk", "number", "value"))
        self.assertEqual(before, after)
        self.assertEqual((len(after), Customer.objects.count()), (30, 8))

    def test_more_contracts_can_be_added_later(self) -> None:
        self.fill(contracts=10, customers=8)
        self.fill(contracts=25, customers=8)
        self.assertEqual(Contract.objects.count(), 25)

    def test_value_is_the_sum_of_the_items(self) -> None:
        self.fill(contracts=10, customers=8)
        for contract in Contract.objects.prefetch_related("items"):
            total = sum(item.total for item in contract.items.all())
            self.assertEqual(contract.value, total)

    def test_demo_user_exists_in_the_demo_only(self) -> None:
        with override_settings(DEMO=False):
            self.fill(contracts=1, customers=1)
        self.assertFalse(get_user_model().objects.exists())
        self.fill(contracts=1, customers=1)
        self.assertTrue(get_user_model().objects.get(username="demo").is_superuser)
