// The race: ten PDF downloads at once, and beside them a clock on the home page.
"use strict";

(() => {
  const EVERY = 100; // ms from one visit of the home page to the next
  const BEFORE = 3; // seconds of visits before the PDFs start
  const AFTER = 2; // and after the last one is complete
  // What a browser opens to one name over HTTP/1.1. A request beyond that waits
  // inside the browser, which would be measured as if the server were slow.
  const CONNECTIONS = 6;
  const PER_ALIAS = 5;

  const race = document.getElementById("race");
  const button = document.getElementById("start");
  const state = document.getElementById("state");
  const summary = document.getElementById("summary");
  const note = document.getElementById("note");
  const rows = [...document.querySelectorAll("#pdfs li")];
  const chart = new LatencyChart(document.getElementById("chart"));

  const seconds = (ms) => `${(ms / 1000).toFixed(2)} s`;
  const number = (ms) => (ms < 10 ? ms.toFixed(1) : Math.round(ms).toLocaleString("en-GB"));
  const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

  function percentile(sorted, share) {
    return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)];
  }

  function showFigures(id, times) {
    const cells = document.querySelectorAll(`#${id} td`);
    if (!times.length) {
      for (const cell of cells) cell.textContent = "–";
      return;
    }
    const sorted = [...times].sort((a, b) => a - b);
    const figures = [percentile(sorted, 0.5), percentile(sorted, 0.99), sorted.at(-1)];
    figures.forEach((ms, n) => (cells[n].textContent = number(ms)));
    cells[3].textContent = sorted.length;
  }

  // The connections that PDFs may use: [{ origin, free }], and how many are
  // left for the home page.
  async function connections() {
    const [page] = performance.getEntriesByType("navigation");
    if (/^h[23]/.test(page?.nextHopProtocol ?? "")) {
      return { hosts: [{ origin: "", free: Infinity }], home: Infinity, aliases: [] };
    }
    const aliases = await aliasesOfThisMachine();
    const hosts = aliases.map((origin) => ({ origin, free: PER_ALIAS }));
    const own = aliases.length * PER_ALIAS >= rows.length ? 0 : CONNECTIONS - 2;
    if (own) hosts.push({ origin: "", free: own });
    return { hosts, home: CONNECTIONS - own, aliases };
  }

  // Further names under which a browser reaches a server on its own machine.
  async function aliasesOfThisMachine() {
    if (!/^(127\.0\.0\.1|(.+\.)?localhost)$/.test(location.hostname)) return [];
    const port = location.port ? `:${location.port}` : "";
    const reachable = await Promise.all(
      ["pdf1.localhost", "pdf2.localhost"].map(async (name) => {
        const origin = `${location.protocol}//${name}${port}`;
        try {
          const answer = await fetch(origin + race.dataset.health, {
            cache: "no-store",
            credentials: "omit",
            signal: AbortSignal.timeout(1500),
          });
          return answer.ok ? origin : "";
        } catch {
          return "";
        }
      }),
    );
    return reachable.filter(Boolean);
  }

  function explain({ hosts, aliases }) {
    const atOnce = hosts.reduce((sum, host) => sum + host.free, 0);
    const counted = "A visit that falls due while all connections wait is drawn as a ring and counted with the time until one of them answers.";
    if (atOnce < rows.length) {
      note.textContent = `A browser opens six HTTP/1.1 connections to one name, so ${atOnce} PDFs are asked for at a time; the other two connections are for the home page. ${counted}`;
    } else if (aliases.length) {
      note.textContent = `A browser opens six HTTP/1.1 connections to one name, so the PDFs are asked for under two further names of this machine. ${counted}`;
    } else {
      note.textContent = counted;
    }
  }

  async function run() {
    button.disabled = true;
    button.textContent = "Racing…";
    summary.textContent = "";
    for (const row of rows) reset(row);
    showFigures("before", []);
    showFigures("during", []);
    chart.reset();

    const available = await connections();
    explain(available);
    const began = performance.now();
    const clock = () => (performance.now() - began) / 1000;
    const visits = startVisits(clock, available.home);
    const redraw = setInterval(() => {
      chart.now = clock();
      chart.draw();
    }, 100);

    state.textContent = "Visiting the home page alone";
    await pause(BEFORE * 1000);
    state.textContent = "PDFs are rendering";
    chart.band = [clock(), null];
    await downloadAll(available.hosts, clock);
    chart.band[1] = clock();
    state.textContent = "PDFs are complete";
    await pause(AFTER * 1000);
    await visits.stop();

    clearInterval(redraw);
    chart.now = clock();
    chart.draw();
    state.textContent = visits.failures() ? `${visits.failures()} visits failed` : "Finished";
    button.disabled = false;
    button.textContent = "Race again";
  }

  // Visits the home page at a fixed beat until stopped.
  function startVisits(clock, limit) {
    const times = { before: [], during: [] };
    let skipped = [];
    let failures = 0;
    let open = 0;
    let idle = () => {};

    // A visit that met the PDFs, at its start or at its end, counts as during.
    const phase = (t, ms) => {
      if (!chart.band || t + ms / 1000 < chart.band[0]) return "before";
      return chart.band[1] === null || t < chart.band[1] ? "during" : "after";
    };

    function record(t, ms, kind) {
      const when = phase(t, ms);
      chart.points.push({ t, ms, kind: kind || (when === "during" ? "during" : "") });
      if (when === "after") return;
      times[when].push(ms);
      showFigures(when, times[when]);
    }

    async function visit() {
      const t = clock();
      if (open >= limit) {
        skipped.push(t);
        return;
      }
      open++;
      chart.waiting.add(t);
      let kind = "";
      try {
        const answer = await fetch(race.dataset.home, { cache: "no-store" });
        await answer.text();
        if (!answer.ok) throw new Error(answer.status);
      } catch {
        kind = "failed";
        failures++;
      }
      const end = clock();
      open--;
      chart.waiting.delete(t);
      record(t, (end - t) * 1000, kind);
      for (const due of skipped) record(due, (end - due) * 1000, "skipped");
      skipped = [];
      if (!open) idle();
    }

    const beat = setInterval(visit, EVERY);
    visit();
    return {
      failures: () => failures,
      stop: async () => {
        clearInterval(beat);
        if (open) await new Promise((resolve) => (idle = resolve));
      },
    };
  }

  // All PDFs at once, as far as the hosts have connections free.
  async function downloadAll(hosts, clock) {
    const began = clock();
    const queue = rows.map((row) => ({ row, spent: 0, work: 0, finished: false }));
    const jobs = [...queue];
    const scale = setInterval(() => drawBars(jobs, clock() - began), 100);
    const take = async (host) => {
      while (queue.length) await download(queue.shift(), host.origin, clock);
    };
    await Promise.all(
      hosts.flatMap((host) =>
        Array.from({ length: Math.min(host.free, rows.length) }, () => take(host)),
      ),
    );
    clearInterval(scale);
    drawBars(jobs, clock() - began);
    const failed = jobs.filter((job) => job.row.classList.contains("failed")).length;
    const workers = new Set(jobs.map((job) => job.worker).filter(Boolean)).size;
    summary.textContent = failed
      ? `${failed} of ${jobs.length} failed`
      : `${jobs.length} in ${(clock() - began).toFixed(1)} s by ${workers} worker${workers === 1 ? "" : "s"}`;
  }

  async function download(job, origin, clock) {
    job.began = clock();
    try {
      const answer = await fetch(origin + job.row.dataset.url, {
        cache: "no-store",
        credentials: "omit",
      });
      const size = (await answer.arrayBuffer()).byteLength;
      if (!answer.ok) throw new Error(`status ${answer.status}`);
      job.spent = (clock() - job.began) * 1000;
      job.work = Number(/render;dur=([\d.]+)/.exec(answer.headers.get("Server-Timing"))?.[1] ?? 0);
      job.worker = answer.headers.get("X-Worker-Pid");
      tell(job.row, `${seconds(job.spent)}, ${Math.round(size / 1024)} KB`);
    } catch (error) {
      job.row.classList.add("failed");
      tell(job.row, error.message);
    }
    job.finished = true;
    chart.done.push(clock());
  }

  // Bars share one scale: its length is the slowest PDF so far.
  function drawBars(jobs, elapsed) {
    const length = Math.max(1000, ...jobs.map((job) => (job.finished ? job.spent : elapsed * 1000)));
    for (const job of jobs) {
      const [wait, work] = job.row.querySelectorAll(".track span");
      const spent = job.finished ? job.spent : job.began === undefined ? 0 : elapsed * 1000;
      wait.style.width = `${(Math.max(0, spent - job.work) / length) * 100}%`;
      work.style.width = `${(Math.min(job.work, spent) / length) * 100}%`;
      if (!job.finished) tell(job.row, job.began === undefined ? "waiting" : seconds(spent));
    }
  }

  function reset(row) {
    row.classList.remove("failed");
    tell(row, "ready");
    for (const bar of row.querySelectorAll(".track span")) bar.style.width = "0";
  }

  function tell(row, text) {
    row.querySelector(".result").textContent = text;
  }

  button.addEventListener("click", run);
})();
