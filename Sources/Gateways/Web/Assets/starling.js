// The pages work without this. It only adds: live news of posts, the cluster page that stays current, a character
// count, relative times that go on, and the keys j and k.
"use strict";
(() => {
  const all = (selector, root = document) => Array.from(root.querySelectorAll(selector));

  // One stream a page; a button says how much is new, and nothing on the page moves by itself.
  const fresh = document.querySelector("[data-stream]");
  if (fresh && window.EventSource) {
    const link = fresh.querySelector("a");
    let count = 0;
    let source = null;
    const open = () => {
      source = new EventSource(fresh.dataset.stream);
      source.addEventListener("write", () => {
        count += 1;
        link.textContent = count === 1 ? "1 new post" : `${count} new posts`;
        link.hidden = false;
      });
    };
    open();
    addEventListener("pagehide", () => source.close());
    addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
  }

  // Characters as people count them.
  const box = document.getElementById("message");
  const limitText = document.getElementById("message-limit");
  if (box && limitText && window.Intl && Intl.Segmenter) {
    const limit = Number(box.dataset.limit);
    const segmenter = new Intl.Segmenter(undefined, { granularity: "grapheme" });
    const show = () => {
      let count = 0;
      for (const _ of segmenter.segment(box.value)) count += 1;
      const left = limit - count;
      limitText.textContent = left < 0 ? `${-left} characters too many` : `${left} characters left`;
      limitText.classList.toggle("over", left < 0);
      box.setCustomValidity(left < 0 ? `A message has at most ${limit} characters; this one has ${count}.` : "");
    };
    box.addEventListener("input", show);
    show();
  }

  // The name last used here.
  const user = document.getElementById("user");
  if (user) {
    try {
      if (!user.value) user.value = localStorage.getItem("user") || "";
      user.form.addEventListener("submit", () => localStorage.setItem("user", user.value));
    } catch { /* no storage, no memory */ }
  }

  const problems = document.getElementById("problems");
  if (problems) problems.focus();

  const relative = (then, now) => {
    const seconds = Math.max(0, Math.floor((now - then) / 1000));
    if (seconds < 45) return "just now";
    if (seconds < 3600) return `${Math.max(1, Math.floor(seconds / 60))} min ago`;
    if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ago`;
    if (seconds < 7 * 86400) return `${Math.floor(seconds / 86400)} d ago`;
    return null;
  };
  setInterval(() => {
    for (const time of all("time[datetime]")) {
      const text = relative(Date.parse(time.dateTime), Date.now());
      if (text && text !== time.textContent) time.textContent = text;
    }
  }, 20000);

  // From post to post.
  const posts = all("article.post");
  const hint = document.querySelector("[data-keys]");
  if (posts.length > 0) {
    if (hint) hint.hidden = false;
    document.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.target.closest("input, textarea, select, [contenteditable]")) return;
      const step = event.key === "j" ? 1 : event.key === "k" ? -1 : 0;
      if (step === 0) return;
      const current = posts.indexOf(document.activeElement.closest("article.post"));
      const next = posts[current < 0 ? 0 : Math.min(posts.length - 1, Math.max(0, current + step))];
      next.focus();
      event.preventDefault();
    });
  }

  // The cluster page renews itself in place, but not under the reader's fingers.
  const live = document.querySelector("[data-refresh]");
  if (live) {
    const refresh = async () => {
      try {
        const isBusy = live.contains(document.activeElement) || !getSelection().isCollapsed || document.hidden;
        if (!isBusy) {
          const reply = await fetch(live.dataset.refresh, { cache: "no-store" });
          const page = new DOMParser().parseFromString(await reply.text(), "text/html");
          const renewed = page.querySelector("[data-refresh]");
          if (renewed) live.replaceChildren(...renewed.childNodes);
          live.classList.remove("stale");
        }
      } catch {
        live.classList.add("stale");
      }
      setTimeout(refresh, 2000);
    };
    setTimeout(refresh, 2000);
  }
})();
