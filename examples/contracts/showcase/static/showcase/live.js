// The live page: shows each server-sent event as it comes.
"use strict";

(() => {
  const KEEP = 20;
  const feed = document.getElementById("feed");
  const state = document.getElementById("state");
  const toggle = document.getElementById("toggle");
  let source = null;

  function tell(text, on) {
    state.textContent = text;
    state.classList.toggle("on", on);
  }

  function element(name, text, className) {
    const made = document.createElement(name);
    made.textContent = text;
    if (className) made.className = className;
    return made;
  }

  function show(event) {
    const data = JSON.parse(event.data);
    const row = document.createElement("li");
    const time = element("time", new Date(data.time).toLocaleTimeString("en-GB"));
    time.dateTime = data.time;
    const what = element("span", `${data.text} `);
    what.append(element("b", data.title));
    what.append(element("span", ` ${data.number}`, "mono soft"));
    row.append(time, what, element("span", `worker ${data.pid}`, "soft"));
    feed.prepend(row);
    while (feed.children.length > KEEP) feed.lastElementChild.remove();
    tell("live", true);
  }

  function connect() {
    tell("connecting", false);
    source = new EventSource(feed.dataset.events);
    source.addEventListener("message", show);
    source.addEventListener("open", () => tell("live", true));
    source.addEventListener("error", () => tell("reconnecting", false));
    toggle.textContent = "Pause";
  }

  function disconnect() {
    source.close();
    source = null;
    tell("paused", false);
    toggle.textContent = "Go on";
  }

  toggle.addEventListener("click", () => (source ? disconnect() : connect()));
  connect();
})();
