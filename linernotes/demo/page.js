// Plays the recording that was heard. The server keeps no file, so the browser keeps the sound before it is asked about.
(() => {
  const box = () => document.getElementById("linernotes-player");
  const player = () => box().querySelector("audio");
  const article = () => document.querySelector(".notes article");

  async function keep(recording) {
    const audio = player();
    box().hidden = true;
    if (audio.src) URL.revokeObjectURL(audio.src);
    audio.removeAttribute("src");
    if (!recording?.url) return;
    const sound = await (await fetch(recording.url)).blob();
    audio.src = URL.createObjectURL(sound);
    box().hidden = false;
  }

  function save(report) {
    const name = JSON.parse(report).path ?? "recording";
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([report + "\n"], { type: "application/json" }));
    link.download = `${name.replace(/\.[^.]*$/, "")}.json`;
    link.click();
    URL.revokeObjectURL(link.href);
  }

  function seek(seconds) {
    player().currentTime = seconds;
    player().play();
  }

  // where the recording stands: a line across the lanes, and the stretches that sound now
  function mark() {
    const notes = article();
    if (!notes || !player().src) return;
    const now = player().currentTime;
    notes.classList.add("played");
    notes.style.setProperty("--now", `${(100 * now) / notes.dataset.durationSeconds}%`);
    for (const each of notes.querySelectorAll("[data-start-seconds]")) {
      const sounds = Number(each.dataset.startSeconds) <= now && now < Number(each.dataset.endSeconds);
      each.classList.toggle("now", sounds);
    }
  }

  function follow() {
    mark();
    if (!player().paused) requestAnimationFrame(follow);
  }

  function pressed(event) {
    const stretch = event.target.closest?.(".notes [data-start-seconds]");
    if (stretch) return Number(stretch.dataset.startSeconds);
    const sound = event.target.closest?.(".notes .sound");
    if (!sound || event.type !== "click") return null;
    const place = sound.getBoundingClientRect();
    return ((event.clientX - place.left) / place.width) * article().dataset.durationSeconds;
  }

  document.addEventListener("click", (event) => {
    const seconds = pressed(event);
    if (seconds !== null && player().src) seek(seconds);
  });
  document.addEventListener("keydown", (event) => {
    const seconds = event.key === "Enter" || event.key === " " ? pressed(event) : null;
    if (seconds === null || !player().src) return;
    event.preventDefault();
    seek(seconds);
  });
  // events of media do not bubble
  for (const kind of ["play", "seeked", "timeupdate"]) {
    document.addEventListener(kind, (event) => event.target === player() && (kind === "play" ? follow() : mark()), true);
  }
  document.addEventListener("error", (event) => { if (event.target === player()) box().hidden = true; }, true);

  window.linernotes = { keep, save };
})();
