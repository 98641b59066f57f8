// The pages work without this. It lets one drop or paste a picture, copy a key, and read times
// in the time zone of one's own.
"use strict";

document.documentElement.classList.add("js");

const form = document.querySelector("[data-drop]");
if (form) {
  const input = form.querySelector("input[type=file]");
  const preview = form.querySelector(".preview");
  let latest = 0;

  async function search() {
    const file = input.files[0];
    if (!file) return;
    const mine = ++latest;
    URL.revokeObjectURL(preview.src);
    preview.src = URL.createObjectURL(file);
    preview.hidden = false;
    form.classList.add("busy");
    say(form.dataset.busy);
    try {
      const response = await fetch(form.action, { method: "POST", body: new FormData(form) });
      if (response.redirected) return location.assign(response.url); // signed out meanwhile
      const page = new DOMParser().parseFromString(await response.text(), "text/html");
      if (mine !== latest) return;
      const found = page.querySelector("#results") || page.querySelector("main");
      document.querySelector("#results").replaceChildren(...found.childNodes);
    } catch {
      if (mine === latest) say(form.dataset.failed, "error");
    } finally {
      if (mine === latest) form.classList.remove("busy");
    }
  }

  function say(text, kind = "") {
    const line = document.createElement("p");
    line.className = `note ${kind}`;
    line.textContent = text;
    document.querySelector("#results").replaceChildren(line);
  }

  function take(files) {
    const picture = [...files].find((file) => file.type.startsWith("image/"));
    if (!picture) return false;
    const chosen = new DataTransfer();
    chosen.items.add(picture);
    input.files = chosen.files;
    search();
    return true;
  }

  preview.addEventListener("error", () => { preview.hidden = true; }); // a format of which browsers show nothing
  input.addEventListener("change", search);
  form.querySelector("select").addEventListener("change", search);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    search();
  });
  document.addEventListener("paste", (event) => {
    if (take(event.clipboardData.files)) event.preventDefault();
  });
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    form.classList.add("over");
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) form.classList.remove("over");
  });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    form.classList.remove("over");
    take(event.dataTransfer.files);
  });
}

for (const time of document.querySelectorAll("time")) {
  const style = { dateStyle: "medium", timeStyle: "short" };
  time.textContent = new Date(time.dateTime).toLocaleString(document.documentElement.lang, style);
}

for (const button of document.querySelectorAll("[data-copy]")) {
  if (!navigator.clipboard) break; // not over plain http
  button.hidden = false;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
    button.textContent = button.dataset.done;
  });
}
