// Puts the parts that the server renders in their places, and connects again whenever nothing has arrived for a while: after
// sleep, a lost network, or a restart of the run.
'use strict';

// The server sends every second.
const PATIENCE = 2500;
let source;
let heard = Date.now();
let ended = false;

// Parts that wait because somebody has selected text in their places, to copy it.
const waiting = new Map();

function isSelected(box) {
  const selection = getSelection();
  return !selection.isCollapsed && box.contains(selection.anchorNode);
}

function replace(id, content) {
  const box = document.getElementById(id);
  if (!box) return;
  if (isSelected(box)) {
    waiting.set(id, content);
    return;
  }
  waiting.delete(id);
  const opened = new Map([...box.querySelectorAll('details')].map((each) => [each.dataset.key, each.open]));
  const focused = box.contains(document.activeElement) ? document.activeElement.closest('details') : null;
  box.innerHTML = content;
  for (const each of box.querySelectorAll('details')) {
    if (opened.has(each.dataset.key)) each.open = opened.get(each.dataset.key);
    if (focused && focused.dataset.key === each.dataset.key) each.querySelector('summary').focus();
  }
}

function show(message) {
  heard = Date.now();
  ended = message.ended;
  document.title = message.title;
  lost(false);
  for (const [id, content] of Object.entries(message.parts)) replace(id, content);
}

function lost(isLost) {
  const box = document.getElementById('lost');
  if (box.hidden !== isLost) return;
  box.hidden = !isLost;
  box.textContent = !isLost ? '' : ended
    ? 'The run has ended. This is its result; the page is no longer updated.'
    : `No connection to the run since ${new Date(heard).toLocaleTimeString()}. Trying again; what is shown is from then.`;
}

function connect() {
  if (source) source.close();
  source = new EventSource('events');
  source.onmessage = (event) => show(JSON.parse(event.data));
}

let tried = Date.now();
function watch() {
  const now = Date.now();
  if (document.hidden) return;
  if (now - heard < PATIENCE || now - tried < PATIENCE) return;
  tried = now;
  lost(true);
  connect();
}

// A browser keeps few connections to a server: a page that nobody sees gives back its own.
function seen() {
  if (!document.hidden) return connect();
  source.close();
  if (!ended) document.title = document.getElementById('heading').textContent;
}

connect();
setInterval(watch, 500);
document.addEventListener('visibilitychange', seen);
document.addEventListener('selectionchange', () => {
  for (const [id, content] of [...waiting]) replace(id, content);
});
window.addEventListener('online', watch);
