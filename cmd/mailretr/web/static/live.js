// Keeps a page fresh: the same page is loaded now and then, and what has changed takes the place of what is there. Where it
// does not run, nothing is missing.
(function () {
  "use strict";
  var every = 1000 * Number(document.body.dataset.every || 0);

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
    every = 1000 * Number(fresh.body.dataset.every || 0) || every;
  }

  function look() {
    if (document.hidden) { return later(); }
    fetch(location.href, { headers: { "X-Live": "1" }, credentials: "same-origin" }).then(function (r) {
      if (r.redirected) { location.reload(); return null; } // the session has ended
      return r.ok ? r.text() : null;
    }).then(function (text) {
      if (text !== null) { update(new DOMParser().parseFromString(text, "text/html")); }
    }).catch(function () {}).then(later); // the daemon may be away for a moment
  }

  function later() { setTimeout(look, every); }

  if (every) { later(); }
}());
