// The small part of the page that Gradio has no component for: theme, keyboard, playhead, links and drops.
(() => {
  const leo = (window.leo = window.leo || {});
  const THEME = "leo-theme";

  // Dark first. Gradio sets the class by the system's preference, before or after this script runs.
  const dress = () => {
    const asked = new URL(location.href).searchParams.get("__theme");
    document.body.classList.toggle("dark", (asked || localStorage.getItem(THEME) || "dark") === "dark");
  };
  dress();
  for (const wait of [0, 200, 1000]) setTimeout(dress, wait);
  leo.theme = () => {
    const dark = document.body.classList.toggle("dark");
    localStorage.setItem(THEME, dark ? "dark" : "light");
  };

  leo.clock = (seconds) => {
    if (seconds < 60) return `${seconds.toFixed(1)} s`;
    const tenths = Math.round(seconds * 10);
    const rest = tenths % 600;
    return `${Math.floor(tenths / 600)}:${String(Math.floor(rest / 10)).padStart(2, "0")}.${rest % 10}`;
  };

  leo.video = () =>
    [...document.querySelectorAll("#player video, #review-player video")].find((v) => v.offsetParent);

  leo.seek = (seconds) => {
    const video = leo.video();
    if (leo.timeline_now && (!video || video.closest("#player"))) leo.timeline_now.move(seconds, true);
    else if (video) video.currentTime = seconds;
  };

  leo.review = (seconds) => {
    const video = document.querySelector("#review-player video");
    if (video) video.currentTime = seconds;
  };

  leo.paused = (values) => {
    const video = document.querySelector("#player video");
    if (video) video.pause();
    return values;
  };

  leo.download = (url) => {
    if (!url) return;
    const link = document.createElement("a");
    link.href = url;
    link.download = "";
    document.body.append(link);
    link.click();
    link.remove();
  };

  leo.link = (query) => {
    if (!query) return query;
    const url = `${location.origin}${location.pathname}?${query}`;
    if (navigator.clipboard) navigator.clipboard.writeText(url).catch(() => {});
    return url;
  };

  // Times in answers go there.
  document.addEventListener("click", (event) => {
    const link = event.target.closest && event.target.closest("a.leo-at, a[href^='#t=']");
    if (!link) return;
    event.preventDefault();
    leo.seek(parseFloat(link.getAttribute("href").slice(3)));
  });

  // Space plays and pauses, arrows move the moment; not while somebody writes or works a control.
  const busy = "input, textarea, select, [contenteditable=true], [role=textbox], [role=listbox], [role=grid], table";
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest && event.target.closest(busy)) return;
    const video = leo.video();
    if (event.key === " ") {
      if (!video || event.target.closest("button, a, summary, [role=tab], video")) return;
      event.preventDefault();
      if (video.paused) video.play();
      else video.pause();
    } else if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
      if (event.target.closest("[role=tab], video")) return;
      const step = (event.shiftKey ? 5 : 0.5) * (event.key === "ArrowLeft" ? -1 : 1);
      const now = leo.timeline_now && (!video || video.closest("#player")) ? leo.timeline_now.at() : video && video.currentTime;
      if (now === undefined || now === null) return;
      event.preventDefault();
      leo.seek(now + step);
    }
  });

  // The moment follows the playhead. Media events do not bubble, but they can be caught on their way down.
  for (const kind of ["timeupdate", "pause", "seeked", "loadedmetadata"])
    document.addEventListener(
      kind,
      (event) => {
        if (event.target.closest("#player") && leo.timeline_now) leo.timeline_now.heard(kind, event.target);
      },
      true
    );

  // Files may be dropped anywhere.
  const files = (event) => event.dataTransfer && [...event.dataTransfer.types].includes("Files");
  document.addEventListener("dragover", (event) => {
    if (!files(event)) return;
    event.preventDefault();
    document.body.classList.add("leo-drop");
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) document.body.classList.remove("leo-drop");
  });
  document.addEventListener("drop", (event) => {
    if (!files(event)) return;
    event.preventDefault();
    document.body.classList.remove("leo-drop");
    const input = document.querySelector("#upload input[type=file], input#upload, #upload ~ input[type=file]") || leo.upload_input();
    if (!input) return;
    const carrier = new DataTransfer();
    for (const file of event.dataTransfer.files) carrier.items.add(file);
    input.files = carrier.files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
  });
  leo.upload_input = () => {
    const button = document.getElementById("upload");
    return button && button.parentElement.querySelector("input[type=file]");
  };

  // What Gradio draws without words.
  const name_things = () => {
    for (const video of document.querySelectorAll("#player video, #review-player video"))
      if (!video.getAttribute("aria-label")) video.setAttribute("aria-label", "The recording");
    for (const image of document.querySelectorAll(".leo-frames img:not([alt]), .leo-frames img[alt='']")) {
      const caption = image.closest("button, figure, div")?.querySelector(".caption-label, figcaption");
      image.setAttribute("alt", caption ? `Frame at ${caption.textContent.trim()}` : "Frame of the recording");
    }
  };

  // A question is edited as it was asked: what Gradio hands out is the HTML that it shows.
  const edit_as_asked = () => {
    for (const field of document.querySelectorAll("#chat textarea.edit-textarea:not([data-plain])")) {
      field.dataset.plain = "1";
      field.value = new DOMParser().parseFromString(field.value, "text/html").documentElement.textContent;
      field.dispatchEvent(new Event("input", { bubbles: true }));
    }
  };
  new MutationObserver(() => {
    edit_as_asked();
    requestAnimationFrame(name_things);
  }).observe(document, { childList: true, subtree: true });
})();
