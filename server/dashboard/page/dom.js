// Elements that are made once and changed in place. Everything becomes text: nothing here, or anywhere on this page, parses HTML.

/** Makes an element: make('td', {className: 'n'}, 'text', another). */
export function make(name, properties = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key.includes('-') || key === 'role') node.setAttribute(key, value);
    else node[key] = value;
  }
  node.append(...children);
  return node;
}

export const byId = (id) => document.getElementById(id);

/** Sets a text, only if it is another one, so that nothing is laid out for nothing and a selection stays. */
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Shows or hides. */
export function show(node, shown) {
  if (node.hidden === shown) node.hidden = !shown;
}

/**
 * Makes the children of a node those of items: by their keys they stay the same elements, whatever comes before or after them.
 * build(item) makes one, whose property update(item) is called each time.
 */
export function keyed(parent, items, key, build) {
  const old = new Map([...parent.children].map((child) => [child.key, child]));
  const seen = new Set();
  let at = parent.firstElementChild;
  for (const item of items) {
    let name = String(key(item));
    while (seen.has(name)) name += '\n';
    seen.add(name);
    let node = old.get(name);
    if (!node) {
      node = build(item);
      node.key = name;
    }
    old.delete(name);
    node.update(item);
    if (node === at) at = at.nextElementSibling;
    else parent.insertBefore(node, at);
  }
  for (const node of old.values()) node.remove();
}

/** The buttons of a group of which one is pressed; choose is called with the one, now and whenever it is another one. */
export function choice(group, choose) {
  const buttons = [...group.querySelectorAll('button')];
  const press = (pressed) => {
    for (const b of buttons) b.setAttribute('aria-pressed', String(b === pressed));
    choose(pressed);
  };
  for (const b of buttons) b.addEventListener('click', () => press(b));
  press(buttons.find((b) => b.getAttribute('aria-pressed') === 'true'));
}
