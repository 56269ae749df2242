// Keeps a page fresh: the same page is asked for again, with the stamp of what is shown, and the answer comes when something
// has changed, or after a while. What has changed takes the place of what is there. Where this does not run, nothing is
// missing.
(function () {
  "use strict";
  var every = 1000 * Number(document.body.dataset.every || 0);
  var stamp = document.body.dataset.stamp || "1";
  var failures = 0, timer = 0, asking = false;
  var patience = 45000, longest = 60000; // more than the daemon waits; between two tries while it is away

  // keep remembers what a person has done to a part: what is open, and where the focus is.
  function keep(part) {
    var open = [], focus = document.activeElement;
    part.querySelectorAll("details").forEach(function (d, i) { if (d.open) { open.push(i); } });
    return { open: open, focus: part.contains(focus) ? focus.id : "" };
  }

  function restore(part, kept) {
    part.querySelectorAll("details").forEach(function (d, i) { d.open = kept.open.indexOf(i) >= 0; });
    var focus = kept.focus && document.getElementById(kept.focus);
    if (focus) { focus.focus(); }
  }

  // update takes in a new page. Parts are told apart by their ids.
  function update(fresh) {
    document.querySelectorAll("[data-live]").forEach(function (part) {
      var now = fresh.getElementById(part.id);
      if (!now || !part.isConnected || part.contains(document.activeElement) && document.activeElement.matches("input, select")) {
        return;
      }
      if (now.className !== part.className) { part.className = now.className; }
      if (now.innerHTML !== part.innerHTML) {
        var kept = keep(part);
        part.replaceChildren.apply(part, Array.from(now.childNodes));
        restore(part, kept);
      }
    });
    document.querySelectorAll("[data-live-state]").forEach(function (around) {
      var now = fresh.getElementById(around.id);
      if (now) { around.className = now.className; around.dataset.state = now.dataset.state; }
    });
    every = 1000 * Number(fresh.body.dataset.every || 0) || every;
    stamp = fresh.body.dataset.stamp || "1";
  }

  // told says whether what is shown is how it is.
  function told(well) {
    failures = well ? 0 : failures + 1;
    var stale = document.getElementById("stale");
    if (stale) { stale.hidden = failures < 2; } // the daemon may be away for a moment
  }

  function look() {
    timer = 0;
    if (document.hidden || asking) { return; }
    asking = true;
    var gone = false, ask = { headers: { "X-Live": stamp }, credentials: "same-origin" };
    if (AbortSignal.timeout) { ask.signal = AbortSignal.timeout(patience); }
    fetch(location.href, ask).then(function (r) {
      // The session has ended, or there is no such page any more: that is for a person to see.
      gone = r.redirected || r.status >= 400 && r.status < 500 && r.status !== 429;
      if (gone) { location.reload(); return ""; }
      if (!r.ok) { throw new Error(r.statusText); }
      return r.text();
    }).then(function (text) {
      if (!gone) { update(new DOMParser().parseFromString(text, "text/html")); told(true); }
    }).catch(function () { told(false); }).then(function () {
      asking = false;
      if (!gone) { later(); }
    });
  }

  function later() {
    clearTimeout(timer);
    timer = setTimeout(look, failures ? Math.min(longest, Math.max(every, 1000) * Math.pow(2, failures)) : every);
  }

  if (every) {
    document.addEventListener("visibilitychange", function () { if (!document.hidden && !asking) { clearTimeout(timer); look(); } });
    later();
  }
}());
