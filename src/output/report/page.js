"use strict";
// The table of all rows. Only the rows in sight are in the document, so that 100,000 of them scroll like ten.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const box = document.getElementById("rows");
  const body = box.querySelector("tbody");
  const heads = [...box.querySelectorAll("th")];
  const search = document.getElementById("search");
  const status = document.getElementById("status");
  const count = document.getElementById("count");
  const HEIGHT = 30, SPARE = 12, MOST_PRINTED = 5000;
  const [ID, NAME, ACCOUNT, REGION, STATUS, ATTEMPTS, STARTED, TOOK, CODE, MESSAGE, ARN, REQUEST] = Array(12).keys();

  const name = (row) => row[NAME] === 0 ? row[ID] : row[NAME];
  const arn = (row) => typeof row[ARN] === "string" ? row[ARN]
    : `arn:aws:kinesisvideo:${data.regions[row[REGION]]}:${data.accounts[row[ACCOUNT]]}:channel/${name(row)}/${row[ARN]}`;
  const time = (millis) => millis === null ? "" : new Date(millis).toISOString().replace("T", " ").slice(0, 19);
  const took = (millis) => millis === null ? "" : millis < 1000 ? `${millis} ms` : `${(millis / 1000).toFixed(1)} s`;
  const COLUMNS = [
    { text: (row) => row[ID], sort: (row) => row[ID] },
    { text: name, sort: name },
    { text: (row) => data.accounts[row[ACCOUNT]], sort: (row) => data.accounts[row[ACCOUNT]] },
    { text: (row) => data.regions[row[REGION]], sort: (row) => data.regions[row[REGION]] },
    { text: (row) => data.statuses[row[STATUS]], sort: (row) => data.statuses[row[STATUS]] },
    { text: (row) => row[ATTEMPTS], sort: (row) => row[ATTEMPTS], number: true },
    { text: (row) => time(row[STARTED]), sort: (row) => row[STARTED] ?? -1 },
    { text: (row) => took(row[TOOK]), sort: (row) => row[TOOK] ?? -1, number: true },
    { text: (row) => data.codes[row[CODE]], sort: (row) => data.codes[row[CODE]] },
    { text: (row) => data.messages[row[MESSAGE]], sort: (row) => data.messages[row[MESSAGE]] },
    { text: arn, sort: arn },
  ];
  const haystacks = new Array(data.rows.length);
  const haystack = (index) => haystacks[index] ??= (() => {
    const row = data.rows[index];
    return [row[ID], name(row), data.accounts[row[ACCOUNT]], data.regions[row[REGION]], data.statuses[row[STATUS]], data.codes[row[CODE]],
      data.messages[row[MESSAGE]], arn(row), row[REQUEST] || ""].join("\n").toLowerCase();
  })();

  let shown = [], order = null, printing = false, first = -1, last = -1;

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
    box.scrollTop = 0;
    draw(true);
  };

  const gap = (rows) => {
    const line = document.createElement("tr");
    line.className = "gap";
    const cell = document.createElement("td");
    cell.colSpan = COLUMNS.length;
    cell.style.height = `${rows * HEIGHT}px`;
    line.append(cell);
    return line;
  };
  const line = (index) => {
    const row = data.rows[index];
    const line = document.createElement("tr");
    COLUMNS.forEach((column, place) => {
      const cell = document.createElement("td");
      const text = String(column.text(row));
      if (place === 4) cell.className = text;
      if (column.number) cell.className = "number";
      // A text that reads from right to left stays in its cell.
      const inner = document.createElement("bdi");
      inner.textContent = text;
      cell.append(inner);
      cell.title = text;
      line.append(cell);
    });
    return line;
  };
  const draw = (anew) => {
    const from = printing ? 0 : Math.max(0, Math.floor(box.scrollTop / HEIGHT) - SPARE);
    const room = printing ? MOST_PRINTED : Math.ceil(box.clientHeight / HEIGHT) + 2 * SPARE;
    const to = Math.min(shown.length, from + room);
    if (!anew && from === first && to === last) return;
    [first, last] = [from, to];
    const lines = shown.slice(from, to).map(line);
    const [above, below] = printing ? [0, 0] : [from, shown.length - to];
    body.replaceChildren(...(above ? [gap(above)] : []), ...lines, ...(below ? [gap(below)] : []));
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
  addEventListener("beforeprint", () => { printing = true; draw(true); });
  addEventListener("afterprint", () => { printing = false; draw(true); });
  filter();
})();
