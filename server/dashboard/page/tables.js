// A table whose columns sort it.

import { keyed, make, say, show } from './dom.js';

/**
 * columns: {title, hint, text(item) or node(item, cell), by(item): what to sort by, kind: 'n' number, 'code' text from outside, minor: true is
 * left out where there is little room}. options: key(item), empty: what is said without items, most: rows, first: title of the
 * column that sorts at first.
 */
export class Table {
  constructor(parent, columns, options) {
    this.columns = columns;
    this.options = options;
    this.items = [];
    this.sorted = columns.find((c) => c.title === options.first);
    this.down = true;
    this.heads = columns.map((c) => this.head(c));
    this.body = make('tbody');
    this.table = make('table', {}, make('thead', {}, make('tr', {}, ...this.heads)), this.body);
    this.empty = make('p', { className: 'empty' }, options.empty);
    this.rest = make('p', { className: 'muted' });
    parent.append(make('div', { className: 'scroll' }, this.table), this.rest, this.empty);
    this.draw();
  }

  head(column) {
    const cell = make('th', { className: classOf(column), scope: 'col', title: column.hint ?? '' });
    if (!column.by) {
      cell.append(column.title);
      return cell;
    }
    const button = make('button', { type: 'button' }, column.title);
    button.addEventListener('click', () => {
      this.down = this.sorted === column ? !this.down : column.kind === 'n';
      this.sorted = column;
      this.draw();
    });
    cell.append(button);
    return cell;
  }

  show(items) {
    this.items = items;
    this.draw();
  }

  draw() {
    let rows = this.items;
    if (this.sorted) {
      const by = this.sorted.by;
      const order = (a, b) => (typeof a === 'string' ? a.localeCompare(b) : a - b);
      rows = [...rows].sort((a, b) => order(by(a), by(b)) * (this.down ? -1 : 1));
    }
    this.columns.forEach((c, i) => {
      const sort = c === this.sorted ? (this.down ? 'descending' : 'ascending') : 'none';
      if (c.by && this.heads[i].ariaSort !== sort) this.heads[i].ariaSort = sort;
    });
    const more = rows.length - (this.options.most ?? Infinity);
    keyed(this.body, rows.slice(0, this.options.most), this.options.key, () => this.row());
    show(this.table, rows.length > 0);
    show(this.empty, rows.length === 0);
    show(this.rest, more > 0);
    say(this.rest, more > 0 ? `and ${more} more` : '');
  }

  row() {
    const cells = this.columns.map((c) => make('td', { className: classOf(c) }));
    const row = make('tr', {}, ...cells);
    row.update = (item) => this.columns.forEach((c, i) => {
      if (c.node) c.node(item, cells[i]);
      else say(cells[i], c.text(item));
    });
    return row;
  }
}

const classOf = (c) => `${c.kind ?? ''} ${c.minor ? 'minor' : ''}`.trim();
