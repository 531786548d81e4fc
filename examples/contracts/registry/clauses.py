"""The wording of a contract: clauses as (heading, paragraphs).

Names in braces are filled in by ``pdf``: supplier, customer, number, title,
manager, start, end, value.
"""

CLAUSES: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        "Subject matter",
        (
            "This agreement, entered in the register of the Supplier under number "
            "{number} with the title <i>{title}</i>, governs the deliveries and "
            "services that {supplier} (hereinafter the <b>Supplier</b>) provides to "
            "{customer} (hereinafter the <b>Customer</b>) from {start} until {end}. "
            "It consists of these clauses, of the price schedule, of the payment plan "
            "and of the service levels, in this order of precedence.",
            "General terms and conditions of either party do not become part of this "
            "agreement, even if they are printed on an offer, an order, a delivery "
            "note or an invoice and even if the other party does not object to them "
            "in the individual case. A deviation from this clause requires a "
            "declaration which refers to it expressly and which bears the signature "
            "of both parties.",
            "Technical standards that are named in a schedule apply in the edition "
            "which was published when this agreement was signed. Where a later "
            "edition becomes binding by law during the term, the parties adapt the "
            "schedule within sixty days, and the Supplier states in writing which "
            "prices change as a result.",
        ),
    ),
    (
        "Definitions",
        (
            "In this agreement <b>Working Day</b> means each day from Monday to "
            "Friday on which banks are open for general business at the registered "
            "office of the Supplier; <b>Deliverable</b> means every item of the price "
            "schedule, including the documentation which an expert would expect to "
            "accompany it; and <b>Site</b> means the premises of the Customer at "
            "which a Deliverable is handed over, installed or maintained.",
            "<b>Confidential Information</b> means all information of a commercial, "
            "technical or organisational nature which one party discloses to the "
            "other in connection with this agreement, whether or not it is marked as "
            "confidential, unless it was already public, was lawfully known to the "
            "recipient beforehand, or was developed by the recipient independently "
            "and verifiably.",
            "A <b>Defect</b> exists where a Deliverable departs from its description "
            "in the price schedule, from the acknowledged rules of the trade, or from "
            "the service levels, in a way which is more than insignificant. A "
            "<b>Fault</b> is a Defect which interrupts or seriously hinders the "
            "Customer's operation.",
        ),
    ),
    (
        "Performance and co-operation",
        (
            "The Supplier performs with the care of a prudent merchant, employs "
            "qualified staff only, and remains responsible for subcontractors as for "
            "its own people. The appointment of a subcontractor for more than one "
            "fifth of the total value requires the Customer's consent, which may not "
            "be withheld without an objective reason and is deemed given ten Working "
            "Days after the request.",
            "The Customer grants access to the Site during the agreed hours, provides "
            "electricity, water and network connections free of charge, and names a "
            "person who is authorised to decide on questions of execution. Where "
            "co-operation is late, agreed dates move by the length of the delay and "
            "by a reasonable period for taking the work up again.",
            "For the Supplier, {manager} is appointed contract manager. The contract "
            "manager receives notices, convenes the monthly steering meeting, keeps "
            "the register of changes and open points, and sends the minutes of each "
            "meeting to both parties within five Working Days. Minutes do not amend "
            "this agreement.",
        ),
    ),
    (
        "Delivery, transfer of risk and acceptance",
        (
            "Deliveries are made carriage and insurance paid to the Site. The risk of "
            "accidental loss passes on handover, and with Deliverables which have to "
            "be installed, on acceptance. The Customer inspects each delivery without "
            "undue delay and records visible damage in transit on the carrier's "
            "papers.",
            "Acceptance takes place jointly after a trial run of ten Working Days "
            "under the conditions of ordinary operation. A record is kept of it, "
            "which lists remaining Defects, a date for the removal of each, and the "
            "amount which the Customer may retain until then. Acceptance may not be "
            "refused on account of Defects which impair use only insignificantly.",
            "If the Customer uses a Deliverable productively for more than four weeks "
            "without declaring its refusal, the Deliverable is deemed accepted, "
            "provided that the Supplier pointed out this consequence in text form at "
            "the beginning of the period and the contract manager was heard "
            "beforehand.",
        ),
    ),
    (
        "Prices and payment",
        (
            "The total value on the day of signature amounts to {value} euro, net of "
            "value added tax. Unit prices follow from the price schedule and are "
            "fixed for the first twelve months. Afterwards each party may, once a "
            "year and with three months' notice, demand an adjustment in line with "
            "the harmonised index of consumer prices, but by no more than four per "
            "cent a year.",
            "Invoices are issued electronically in accordance with the payment plan, "
            "state the contract number, and fall due thirty days after receipt. Where "
            "payment is late, interest of eight percentage points above the base rate "
            "accrues from the due date without reminder; proof of greater or lesser "
            "damage remains open to both parties.",
            "The Customer may set off only claims which are undisputed, ripe for "
            "decision or established by a final judgment. A right of retention exists "
            "only on account of claims arising from this agreement, and only in an "
            "amount which bears a reasonable relation to the Defect and to the "
            "expected cost of its removal.",
        ),
    ),
    (
        "Changes",
        (
            "Each party may propose changes at any time. The Supplier answers a "
            "proposal of the Customer within ten Working Days with a statement of the "
            "effect on prices, dates and service levels, or explains why it needs "
            "more time. Work goes on unchanged until both parties have signed the "
            "change.",
            "The examination of a proposal is free of charge unless it takes more "
            "than two days of work. In that case the Supplier first gives an "
            "estimate, and begins with the examination only when the Customer has "
            "accepted the estimate in text form. Accepted changes are numbered "
            "consecutively and appended to this agreement.",
        ),
    ),
    (
        "Warranty",
        (
            "The Supplier remedies Defects by repair or replacement at its own choice "
            "and expense, within the periods of the service levels. If two attempts "
            "at a remedy of the same Defect fail, or if the Supplier refuses the "
            "remedy, the Customer may reduce the price in proportion, have the Defect "
            "remedied by others at the Supplier's expense, or withdraw from the item "
            "concerned.",
            "Claims under warranty become time-barred twenty-four months after "
            "acceptance. For parts which are replaced within that period, the period "
            "runs anew, but it ends no later than thirty-six months after acceptance "
            "of the original part. Wearing parts and consumables are excluded as far "
            "as their ordinary wear is concerned.",
            "There is no warranty for Defects which arise because the Customer "
            "altered a Deliverable without consent, operated it outside its "
            "specification, or left out maintenance which the documentation "
            "prescribes, unless the Customer proves that the Defect was not caused by "
            "it.",
        ),
    ),
    (
        "Liability and insurance",
        (
            "The parties are liable without limit for intent and gross negligence, "
            "for injury to life, body or health, and where mandatory law so provides. "
            "For slight negligence they are liable only in the event of the breach of "
            "an essential obligation, and then only for the damage which is typical "
            "of this kind of agreement and was foreseeable at the time of signature.",
            "Except in the cases of the first sentence of this clause, liability is "
            "limited to the total value for each contract year. Liability for lost "
            "profit, for loss of production and for indirect damage is excluded, and "
            "liability for lost data is limited to the cost of restoring it from "
            "properly made daily copies.",
            "The Supplier maintains business liability insurance with a cover of at "
            "least five million euro for each event, and proves on request, but no "
            "more often than once a year, that the premiums are paid. The insurance "
            "does not limit the Supplier's liability in either direction.",
        ),
    ),
    (
        "Confidentiality",
        (
            "Each party uses Confidential Information of the other only for the "
            "purposes of this agreement, protects it with the same care as its own "
            "secrets, and makes it available only to persons who need to know it and "
            "who are bound to secrecy accordingly. Disclosure to professional "
            "advisers and to authorities entitled to receive it remains permitted.",
            "The obligation continues for five years after the end of this agreement. "
            "On request the recipient returns or destroys what it received and "
            "confirms this in writing; copies made by routine in the course of data "
            "backup are excepted as long as they are not accessible in day-to-day "
            "operation.",
        ),
    ),
    (
        "Protection of personal data",
        (
            "The parties observe the statutory provisions on data protection. Where "
            "the Supplier processes personal data on behalf of the Customer, the "
            "parties conclude a separate agreement on the processing which takes "
            "precedence over this one in all questions of data protection.",
            "A personal data breach which affects data of the other party is reported "
            "to that party without undue delay, and at the latest twenty-four hours "
            "after it became known, with a description of its kind and extent, of the "
            "persons likely to be affected, and of the measures which were taken or "
            "are proposed.",
            "Staff who have access to personal data are trained at least once a year. "
            "The Customer may verify compliance itself or through an auditor bound to "
            "secrecy, after notice of ten Working Days and with due regard to the "
            "Supplier's operation.",
        ),
    ),
    (
        "Intellectual property",
        (
            "Rights which existed before this agreement remain with their owner. In "
            "results which the Supplier produces specifically for the Customer, the "
            "Customer acquires, on full payment, a non-exclusive right of use without "
            "limit in time, place and content, including the right to have them "
            "developed further by others for its own purposes.",
            "If a third party claims that a Deliverable infringes its rights, the "
            "Supplier defends the Customer at its own expense, provided that the "
            "Customer informs it without delay, leaves the conduct of the defence to "
            "it, and makes no admission. The Supplier may alter or replace the "
            "Deliverable in such a way that the infringement ends while the agreed "
            "function is preserved.",
        ),
    ),
    (
        "Force majeure",
        (
            "Neither party is liable for a failure which is due to an event outside "
            "its control that could not have been prevented by reasonable care, in "
            "particular natural disaster, war, epidemic, strike outside its own "
            "business, official order, or the failure of public energy or "
            "telecommunication networks.",
            "The party concerned informs the other without delay of the beginning, "
            "the expected duration and the end of the event, and does what may "
            "reasonably be expected of it to limit the consequences. If the event "
            "lasts longer than three months, each party may terminate the items "
            "concerned with two weeks' notice.",
        ),
    ),
    (
        "Term and termination",
        (
            "This agreement enters into force on {start} and ends on {end} without "
            "notice being required. It may be extended by twelve months at a time by "
            "written agreement, which should be reached no later than three months "
            "before its end.",
            "Termination for good cause remains unaffected. Good cause exists in "
            "particular if the other party breaches an essential obligation in spite "
            "of a warning with a period of thirty days, if insolvency proceedings are "
            "opened over its assets or refused for lack of assets, or if a service "
            "level is missed by more than one half in three consecutive months.",
            "On termination the Supplier supports the transfer to the Customer or to "
            "a successor for up to three months at the agreed rates, hands over all "
            "documents which are needed for continued operation, and removes its "
            "property from the Site. Clauses which by their nature outlast the "
            "agreement remain in force.",
        ),
    ),
    (
        "Sustainability and conduct in the supply chain",
        (
            "The Supplier observes the prohibition of child labour and forced labour, "
            "the freedom of association, the statutory provisions on working hours "
            "and minimum wages, and the environmental law of the places at which it "
            "produces, and it passes these obligations on to its own suppliers in an "
            "appropriate manner.",
            "At the request of the Customer, the Supplier reports once a year on "
            "energy consumption, emissions and the share of recycled material in the "
            "Deliverables, as far as these figures can be determined with reasonable "
            "effort. Offering or accepting an undue advantage entitles the other "
            "party to terminate at once.",
        ),
    ),
    (
        "Final provisions",
        (
            "Amendments and supplements, including those of this clause, require "
            "written form; an advanced electronic signature is sufficient. Rights and "
            "obligations may be assigned only with consent, except to affiliated "
            "companies and for the purpose of financing.",
            "Should a provision be or become invalid, the remainder stands. The "
            "parties replace the invalid provision by one which comes closest to its "
            "economic purpose; the same applies to a gap. The place of jurisdiction "
            "is the registered office of the Supplier, and the law in force there "
            "applies, with the exception of the United Nations Convention on the "
            "International Sale of Goods.",
            "This agreement is made out in two copies, one for each party. "
            "Translations are for information only. With their signature the parties "
            "confirm that they have received and understood all schedules.",
        ),
    ),
)

# (service, measured as, target, consequence of a miss)
SERVICE_LEVELS: tuple[tuple[str, str, str, str], ...] = (
    (
        "Answer to a Fault",
        "Time from the report until a qualified person begins with the analysis.",
        "30 minutes",
        "2 % of the monthly fee for each report that is answered late",
    ),
    (
        "Removal of a Fault",
        "Time from the report until ordinary operation is possible, with a workaround.",
        "4 hours",
        "5 % of the monthly fee for each further period of four hours begun",
    ),
    (
        "Removal of other Defects",
        "Working Days from the report until the Customer confirms the removal.",
        "10 Working Days",
        "1 % of the monthly fee for each Working Day",
    ),
    (
        "Availability",
        "Share of the agreed operating hours of a month without a Fault.",
        "99.5 %",
        "3 % of the monthly fee for each half percentage point begun",
    ),
    (
        "Delivery of spare parts",
        "Working Days from the order until handover at the Site, for listed parts.",
        "2 Working Days",
        "Express carriage at the expense of the Supplier",
    ),
    (
        "Reporting",
        "Report on all service levels, complete and correct, for the month before.",
        "5th Working Day",
        "The fee of the month is not due before the report has been received",
    ),
)

# (check, what has to be seen, evidence); each is made for every delivered item.
CHECKS: tuple[tuple[str, str, str], ...] = (
    (
        "Completeness",
        "Everything that the price schedule and the order name was handed over, "
        "undamaged, in the agreed quantity and together with its accessories.",
        "Delivery note, signed at the Site",
    ),
    (
        "Conformity",
        "The item agrees with its description, with the standards named there, and "
        "with the sample or the specification which was approved beforehand.",
        "Test report of the Supplier",
    ),
    (
        "Operation",
        "The item performed its function throughout the trial run without a Fault, at "
        "ordinary load and once for one hour at the highest permissible load.",
        "Log of the trial run",
    ),
    (
        "Safety",
        "Protective devices were tried out, residual risks are marked, and the people "
        "concerned were instructed and have confirmed the instruction.",
        "Record of instruction",
    ),
    (
        "Documentation",
        "Operating instructions, maintenance plan and list of parts are available in "
        "the language of the Site and describe the item as it was delivered.",
        "Copy in the register",
    ),
)
