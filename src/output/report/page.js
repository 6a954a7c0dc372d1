"use strict";
// The table of all rows. Only the rows in sight are in the document, so that 100,000 of them scroll like ten.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const box = document.getElementById("rows");
  const body = box.querySelector("tbody");
  const search = document.getElementById("search");
  const status = document.getElementById("status");
  const count = document.getElementById("count");
  const said = document.getElementById("said");
  const HEIGHT = 30, SPARE = 12, MOST_PRINTED = 5000;
  const [ID, NAME, ACCOUNT, REGION, STATUS, ATTEMPTS, STARTED, TOOK, CODE, MESSAGE, ARN, REQUEST] = Array(12).keys();

  const name = (row) => row[NAME] === 0 ? row[ID] : row[NAME];
  const arn = (row) => typeof row[ARN] === "string" ? row[ARN]
    : `arn:aws:kinesisvideo:${data.regions[row[REGION]]}:${data.accounts[row[ACCOUNT]]}:channel/${name(row)}/${row[ARN]}`;
  const time = (millis) => millis === null ? "" : new Date(millis).toISOString().replace("T", " ").slice(0, 19);
  const took = (millis) => millis === null ? "" : millis < 1000 ? `${millis} ms` : `${(millis / 1000).toFixed(1)} s`;
  // In the order of the columns that the page could have; it has those that say something.
  const ALL = [
    { text: (row) => row[ID], sort: (row) => row[ID] },
    { text: name, sort: name },
    { text: (row) => data.accounts[row[ACCOUNT]], sort: (row) => data.accounts[row[ACCOUNT]] },
    { text: (row) => data.regions[row[REGION]], sort: (row) => data.regions[row[REGION]] },
    { text: (row) => data.statuses[row[STATUS]], sort: (row) => data.statuses[row[STATUS]], classed: true },
    { text: (row) => row[ATTEMPTS], sort: (row) => row[ATTEMPTS], number: true },
    { text: (row) => time(row[STARTED]), sort: (row) => row[STARTED] ?? -1 },
    { text: (row) => took(row[TOOK]), sort: (row) => row[TOOK] ?? -1, number: true },
    { text: (row) => data.codes[row[CODE]], sort: (row) => data.codes[row[CODE]] },
    { text: (row) => data.messages[row[MESSAGE]], sort: (row) => data.messages[row[MESSAGE]] },
    // The end tells ARNs apart.
    { text: arn, sort: arn, tail: true },
  ];
  const heads = [...box.querySelectorAll("th[data-column]")];
  const COLUMNS = heads.map((head) => ALL[Number(head.dataset.column)]);
  const haystacks = new Array(data.rows.length);
  const haystack = (index) => haystacks[index] ??= (() => {
    const row = data.rows[index];
    return [row[ID], name(row), data.accounts[row[ACCOUNT]], data.regions[row[REGION]], data.statuses[row[STATUS]], data.codes[row[CODE]],
      data.messages[row[MESSAGE]], arn(row), row[REQUEST] || ""].join("\n").toLowerCase();
  })();

  // `current` is the place, among the shown rows, of the copy button that the tab key reaches.
  let shown = [], order = null, printing = false, first = -1, last = -1, current = 0, filtered = "";

  const filter = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const wanted = status.value === "" ? -1 : Number(status.value);
    shown = [];
    for (let index = 0; index < data.rows.length; index++) {
      if (wanted >= 0 && data.rows[index][STATUS] !== wanted) continue;
      if (words.length && !words.every((word) => haystack(index).includes(word))) continue;
      shown.push(index);
    }
    if (order) {
      const key = COLUMNS[order.column].sort;
      const keys = new Map(shown.map((index) => [index, key(data.rows[index])]));
      const compare = (a, b) => a < b ? -1 : a > b ? 1 : 0;
      shown.sort((a, b) => order.way * compare(keys.get(a), keys.get(b)) || a - b);
    }
    const number = (value) => value.toLocaleString("en");
    count.textContent = `${number(shown.length)} of ${number(data.rows.length)}`;
    // As a file name's part, so that two downloads can be told apart.
    filtered = [status.selectedOptions[0].value && status.selectedOptions[0].text, ...words].filter(Boolean).join("-");
    box.scrollTop = 0;
    current = 0;
    draw(true);
  };

  const gap = (rows) => {
    const line = document.createElement("tr");
    line.className = "gap";
    const cell = document.createElement("td");
    cell.colSpan = COLUMNS.length + 1;
    cell.style.height = `${rows * HEIGHT}px`;
    line.append(cell);
    return line;
  };
  const line = (place) => {
    const row = data.rows[shown[place]];
    const line = document.createElement("tr");
    for (const column of COLUMNS) {
      const cell = document.createElement("td");
      const text = String(column.text(row));
      if (column.classed) cell.className = text;
      if (column.number) cell.className = "number";
      // A text that reads from right to left stays in its cell.
      const inner = document.createElement("bdi");
      inner.textContent = text;
      if (column.tail) [cell.className, inner.dir] = ["tail", "ltr"];
      cell.append(inner);
      cell.title = text;
      line.append(cell);
    }
    const cell = document.createElement("td");
    cell.className = "act";
    const button = document.createElement("button");
    button.type = "button";
    const what = arn(row) ? "ARN" : "row";
    const noun = document.createElement("i");
    noun.textContent = ` ${what}`;
    button.append("copy", noun);
    button.setAttribute("aria-label", `copy ${what} of ${row[ID]}`);
    button.dataset.place = place;
    button.tabIndex = place === current ? 0 : -1;
    cell.append(button);
    line.append(cell);
    return line;
  };
  const draw = (isForced) => {
    const from = printing ? 0 : Math.max(0, Math.floor(box.scrollTop / HEIGHT) - SPARE);
    const room = printing ? MOST_PRINTED : Math.ceil(box.clientHeight / HEIGHT) + 2 * SPARE;
    const to = Math.min(shown.length, from + room);
    if (!isForced && from === first && to === last) return;
    [first, last] = [from, to];
    const focused = document.activeElement.closest?.("#rows [data-place]")?.dataset.place;
    if (current < from || current >= to) current = from;
    const lines = Array.from({ length: to - from }, (_, offset) => line(from + offset));
    const [above, below] = printing ? [0, 0] : [from, shown.length - to];
    body.replaceChildren(...(above ? [gap(above)] : []), ...lines, ...(below ? [gap(below)] : []));
    if (focused !== undefined) button(Number(focused))?.focus({ preventScroll: true });
  };
  const button = (place) => body.querySelector(`[data-place="${place}"]`);

  // A cell that a spreadsheet program would take for a formula gets an apostrophe. The characters of a channel name make
  // no formula that does harm, so names and IDs such as -4711 stay as they are and can be imported again.
  const cell = (value) => {
    const text = String(value ?? "");
    const safe = /^[=+\-@\t\r]/.test(text) && !/^-[A-Za-z0-9_.-]*$/.test(text) ? `'${text}` : text;
    return `"${safe.replaceAll('"', '""')}"`;
  };
  const HEADER = ["device_id", "channel_name", "account", "region", "status", "channel_arn", "attempts", "started_at", "finished_at",
    "error_code", "error_message", "request_id"];
  const iso = (millis) => millis === null ? "" : new Date(millis).toISOString();
  const record = (row) => [row[ID], name(row), data.accounts[row[ACCOUNT]], data.regions[row[REGION]], data.statuses[row[STATUS]],
    arn(row), row[ATTEMPTS], iso(row[STARTED]), row[STARTED] === null || row[TOOK] === null ? "" : iso(row[STARTED] + row[TOOK]),
    data.codes[row[CODE]], data.messages[row[MESSAGE]], row[REQUEST] || ""].map(cell).join(",");

  const say = (text) => { said.textContent = ""; requestAnimationFrame(() => { said.textContent = text; }); };
  const save = (text, file) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
    link.download = file;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  };
  // Without access to the clipboard, by the selection of a hidden field.
  const byHand = (text) => {
    const field = document.createElement("textarea");
    field.value = text;
    field.className = "spoken";
    document.body.append(field);
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    return done;
  };
  const copy = async (text, what, from) => {
    let done = true;
    try { await navigator.clipboard.writeText(text); } catch { done = byHand(text); }
    from.focus({ preventScroll: true });
    say(done ? `${what} copied` : `${what} could not be copied: the browser does not allow it`);
    if (!done) return;
    if (from.classList.contains("copied")) return;
    const before = [...from.childNodes];
    from.classList.add("copied");
    from.replaceChildren("copied");
    setTimeout(() => { from.classList.remove("copied"); from.replaceChildren(...before); }, 1500);
  };

  let waiting = 0;
  const soon = (what) => { cancelAnimationFrame(waiting); waiting = requestAnimationFrame(what); };
  search.addEventListener("input", () => soon(filter));
  status.addEventListener("change", filter);
  box.addEventListener("scroll", () => soon(() => draw(false)));
  addEventListener("resize", () => soon(() => draw(false)));
  heads.forEach((head, column) => head.querySelector("button").addEventListener("click", () => {
    const way = order?.column === column ? -order.way : 1;
    order = { column, way };
    heads.forEach((other) => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", way > 0 ? "ascending" : "descending");
    filter();
  }));
  body.addEventListener("click", (event) => {
    const from = event.target.closest("[data-place]");
    if (!from) return;
    select(Number(from.dataset.place), false);
    // The rows were drawn again.
    const [row, pressed] = [data.rows[shown[current]], button(current)];
    if (arn(row)) copy(arn(row), `ARN of ${row[ID]}`, pressed);
    else copy(`${HEADER.join(",")}\r\n${record(row)}\r\n`, `Row of ${row[ID]}`, pressed);
  });
  const select = (place, focus) => {
    current = Math.max(0, Math.min(shown.length - 1, place));
    // The head covers the first row in sight.
    const [above, below] = [current * HEIGHT, (current + 3) * HEIGHT - box.clientHeight];
    if (focus && above < box.scrollTop) box.scrollTop = above;
    if (focus && below > box.scrollTop) box.scrollTop = below;
    draw(true);
    if (focus) button(current)?.focus({ preventScroll: true });
  };
  body.addEventListener("keydown", (event) => {
    if (!event.target.closest("[data-place]")) return;
    const page = Math.max(1, Math.floor(box.clientHeight / HEIGHT) - 2);
    const to = { ArrowUp: current - 1, ArrowDown: current + 1, PageUp: current - page, PageDown: current + page, Home: 0, End: shown.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    select(to, true);
  });
  document.getElementById("download").addEventListener("click", () => {
    const lines = [HEADER.join(","), ...shown.map((index) => record(data.rows[index]))];
    const part = filtered.replace(/[^a-z0-9_.-]+/gi, "-");
    // The mark at its start tells spreadsheet programs that it is UTF-8.
    save(`\ufeff${lines.join("\r\n")}\r\n`, `${data.name}${part ? `.${part}` : ""}.rows.csv`);
    say(`${shown.length.toLocaleString("en")} rows saved as CSV`);
  });
  for (const tools of document.querySelectorAll(".failure .tools")) tools.hidden = false;
  const withCode = (code) => data.rows.filter((row) => data.codes[row[CODE]] === code && ["failed", "invalid"].includes(data.statuses[row[STATUS]]));
  for (const from of document.querySelectorAll("[data-show]")) {
    from.addEventListener("click", () => {
      search.value = from.dataset.show;
      status.value = "";
      filter();
      document.getElementById("devices").scrollIntoView();
      search.focus({ preventScroll: true });
    });
  }
  for (const from of document.querySelectorAll("[data-ids]")) {
    from.addEventListener("click", () => {
      const ids = withCode(from.dataset.ids).map((row) => row[ID]);
      copy(ids.join("\n"), `${ids.length.toLocaleString("en")} device IDs`, from);
    });
  }
  addEventListener("beforeprint", () => { printing = true; draw(true); });
  addEventListener("afterprint", () => { printing = false; draw(true); });
  filter();
})();
