// The search of the site is a Worker, and browsers start none for a page that was opened from a folder. This class then
// takes the place of Worker, and runs the script in a hidden frame.
"use strict";

// Say so where results would be, and not only in the console.
function explain(text) {
  for (const place of document.querySelectorAll(".md-search-result__meta")) place.textContent = text;
}

class FileWorker extends EventTarget {
  #frame = document.createElement("iframe");
  #started;

  constructor(address) {
    super();
    this.#frame.hidden = true;
    document.body.append(this.#frame);
    const inside = this.#frame.contentWindow;
    const run = (source) =>
      new Promise((resolve, reject) => {
        const script = inside.document.createElement("script");
        script.onload = resolve;
        script.onerror = () => {
          explain(`The search does not work: ${source} cannot be read.`);
          reject(new Error(`${source} cannot be read.`));
        };
        script.src = source;
        inside.document.body.append(script);
      });
    // A frame has other functions of these names than a worker.
    inside.postMessage = (data) => this.#tell(data);
    inside.importScripts = async (...sources) => {
      for (const source of sources) await run(source);
    };
    this.#started = run(address);
  }

  postMessage(data) {
    const inside = this.#frame.contentWindow;
    this.#started.then(
      () => inside.dispatchEvent(new inside.MessageEvent("message", { data })),
      () => {}, // which was explained
    );
  }

  terminate() {
    this.#frame.remove();
  }

  #tell(data) {
    const event = new MessageEvent("message", { data });
    this.dispatchEvent(event);
    this.onmessage?.(event);
  }
}

if (location.protocol === "file:") window.Worker = FileWorker;
