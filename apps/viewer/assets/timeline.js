// The timeline under the video. Its value: {id, name, duration, last, video, at, seconds, times, strip,
// asked}, times in seconds. `at` is the moment asked about: dragging sets it, and so does the playhead.
const part = (tag, kind, parent) => {
  const made = document.createElement(tag);
  made.className = kind;
  parent.append(made);
  return made;
};
const root = element.querySelector(".tl-root") || element;
const bar = part("div", "tl", root);
bar.tabIndex = 0;
bar.setAttribute("role", "slider");
bar.setAttribute("aria-label", "Moment asked about, in seconds");
const strip = part("img", "tl-strip", bar);
strip.alt = "Thumbnails of the recording from its beginning to its end";
const span = part("div", "tl-span", bar);
const ticks = part("div", "tl-ticks", bar);
const handle = part("div", "tl-handle", bar);
const legend = part("div", "tl-legend", root);
const begin = part("span", "tl-begin", legend);
const now = part("span", "tl-now", legend);
const end = part("span", "tl-end", legend);

let value = null;
let at = 0;
let sent = null;
let dragging = false;
let wanted = null;
let timer = 0;
const player = () => document.querySelector("#player video");
const share = (seconds) => `${Math.min(100, Math.max(0, (100 * seconds) / Math.max(value.duration, 0.001)))}%`;

const draw = () => {
  if (!value || !value.id) return;
  handle.style.left = share(at);
  const from = Math.max(0, at - value.seconds);
  span.style.left = share(from);
  span.style.width = `calc(${share(at)} - ${share(from)})`;
  now.textContent = `Moment ${leo.clock(at)}`;
  bar.setAttribute("aria-valuemin", "0");
  bar.setAttribute("aria-valuemax", value.last.toFixed(1));
  bar.setAttribute("aria-valuenow", at.toFixed(2));
  bar.setAttribute("aria-valuetext", leo.clock(at));
};

const commit = () => {
  clearTimeout(timer);
  if (!value || sent === at) return;
  sent = at;
  props.value = { ...value, at };
  trigger("input", { at });
};

const later = (wait) => {
  clearTimeout(timer);
  timer = setTimeout(commit, wait);
};

const move = (seconds, also_video) => {
  if (!value) return;
  at = Math.round(Math.min(value.last, Math.max(0, seconds)) * 1000) / 1000;
  if (wanted !== null) wanted = at;
  draw();
  const video = player();
  if (also_video && video && video.readyState > 0) {
    video.pause();
    video.currentTime = Math.min(at, video.duration || at);
  }
  later(250);
};

const show = () => {
  const given = props.value;
  if (!given || !given.id) return;
  const fresh = !value || value.id !== given.id;
  value = given;
  if (fresh) {
    sent = at = wanted = given.at;
    const video = player();
    if (video && video.readyState > 0 && video.currentSrc === given.video) heard("loadedmetadata", video);
  } else if (given.at !== at) {
    // The answer to an event from before the last move, which is still to be sent: the moment stays.
    value = { ...given, at };
    props.value = value;
  }
  if (given.strip) strip.src = given.strip;
  strip.style.visibility = given.strip ? "visible" : "hidden";
  ticks.replaceChildren();
  for (const time of given.times || []) part("i", "tl-tick", ticks).style.left = share(time);
  for (const time of given.asked || []) part("i", "tl-asked", ticks).style.left = share(time);
  begin.textContent = leo.clock(0);
  end.textContent = leo.clock(given.duration);
  draw();
};

const heard = (kind, video) => {
  if (!value || dragging) return;
  if (kind === "loadedmetadata") {
    if (wanted !== null) video.currentTime = wanted;
    wanted = null;
    return;
  }
  if (wanted !== null) return;
  // A seek lands on a frame a little off the time asked for: that is no move. But where the playhead has
  // stopped, just after it was last heard of, is yet to be sent.
  if (Math.abs(video.currentTime - at) < 0.06 && video.paused) {
    if (sent !== at) later(250);
    return;
  }
  at = Math.round(Math.min(value.last, video.currentTime) * 1000) / 1000;
  draw();
  if (video.paused) later(250);
};

const pointed = (event) => {
  const box = bar.getBoundingClientRect();
  return ((event.clientX - box.left) / box.width) * value.duration;
};
bar.addEventListener("pointerdown", (event) => {
  if (!value) return;
  dragging = true;
  bar.setPointerCapture(event.pointerId);
  move(pointed(event), true);
});
bar.addEventListener("pointermove", (event) => {
  if (dragging) move(pointed(event), true);
});
for (const kind of ["pointerup", "pointercancel"])
  bar.addEventListener(kind, () => {
    if (!dragging) return;
    dragging = false;
    commit();
  });
bar.addEventListener("keydown", (event) => {
  const jumps = { Home: -Infinity, End: Infinity, PageUp: 5, PageDown: -5 };
  if (!(event.key in jumps) || !value) return;
  event.preventDefault();
  move(at + jumps[event.key], true);
});

leo.timeline_now = { move, heard, at: () => at, commit };
watch("value", show);
show();
