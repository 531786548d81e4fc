package lane

import "slices"

// Bounds of the table.
const (
	maxEntries = 4096
	maxNodes   = 3 * maxEntries
	maxDepth   = 12 // segments of a path that are told apart; what follows is one
	maxValues  = 32 // different segments in one place of a path; more fold into one
	maxAlike   = 4  // different segments in one place that the framework gives the same route; they fold
	maxFresh   = 8  // different segments in one place that the framework says nothing of and whose times are alike; they fold
	alikeTimes = 8  // by which factor these times may differ
	maxApart   = 32 // values of a folded segment with an entry of their own
	maxFlips   = 8  // changes of the framework's route after which a key stays where it is
	maxNames   = 4096
	maxName    = 256 // bytes
)

// entry is what is known under one route key, or under all those in which some segments are folded.
type entry struct {
	key    string // with * for what is folded
	route  *route
	rule   *Rule  // of this key, when it is not folded
	hash   uint64 // the framework's route, 0: not told
	folded bool
	apart  bool   // it keeps a route for itself
	values int    // keys that fold into it and have an entry apart
	from   *entry // what it would fold into, when it is apart from that
	gone   bool   // it was forgotten; requests of it may still run
	into   *entry // what it folded into, if it is gone because of that
	flips  int    // how often the framework's route changed
	used   uint64 // tick of the last use
}

// node is one place in the tree of path segments.
type node struct {
	children map[string]*node
	rest     *node // all other segments, once they are folded
	entry    *entry
}

type canonKey struct {
	method string
	hash   uint64
}

// table finds the route of a key, in bounded memory whatever the keys are. Keys that were seen are found by a look-up in exact; what
// is folded by a walk down the tree.
type table struct {
	exact   map[string]*entry
	root    node
	nodes   int
	entries int
	canon   map[canonKey]*route // by the framework's route; shared by the entries of all its keys
	names   map[uint64]string
	tick    uint64
	rules   []Rule
}

func newTable(rules []Rule) table {
	return table{exact: make(map[string]*entry, 64), canon: map[canonKey]*route{}, names: map[uint64]string{}, rules: rules}
}

// at returns the entry of a key, a new one if need be; nil when the key is empty.
func (t *table) at(key []byte) *entry {
	t.tick++
	e := t.exact[string(key)]
	if e == nil {
		if len(key) == 0 {
			return nil
		}
		e = t.walk(key, true)
	}
	e.used = t.tick
	return e
}

// find is at without making anything; nil when there is nothing.
func (t *table) find(key []byte) *entry {
	if e := t.exact[string(key)]; e != nil {
		return e
	}
	return t.walk(key, false)
}

// current returns the entry that a key has now, which was e when its request arrived: the key may have been folded or told apart since.
func (t *table) current(e *entry, key []byte) *entry {
	if e.into != nil {
		e = e.into
	}
	if e.folded {
		if o := t.exact[string(key)]; o != nil {
			return o
		}
	}
	return e
}

// rule returns the first rule that matches a key, or nil.
func (t *table) rule(key []byte) *Rule {
	for i := range t.rules {
		if t.rules[i].matches(key) {
			return &t.rules[i]
		}
	}
	return nil
}

// walk finds the entry of a key in the tree, where many keys may share one.
func (t *table) walk(key []byte, insert bool) *entry {
	if insert && (t.entries >= maxEntries || t.nodes >= maxNodes) {
		t.evict()
	}
	n, folded, rest := &t.root, false, key
	for depth := 0; len(rest) > 0; depth++ {
		var segment []byte
		segment, rest = cut(rest, depth)
		var fold bool
		if n, fold = t.step(n, segment, insert); n == nil {
			return nil
		}
		folded = folded || fold
	}
	if n.entry == nil && insert {
		if folded {
			n.entry = t.enter(&entry{key: t.pattern(key), folded: true})
		} else {
			n.entry = t.enter(&entry{key: string(key), rule: t.rule(key)})
			t.exact[n.entry.key] = n.entry
		}
	}
	return n.entry
}

// enter counts a new entry and gives it a route of its own if it has none.
func (t *table) enter(e *entry) *entry {
	if e.route == nil {
		e.route = &route{key: e.key}
	}
	e.route.shared++
	e.used = t.tick
	t.entries++
	return e
}

// step goes down by one segment and says whether it was folded.
func (t *table) step(n *node, segment []byte, insert bool) (child *node, folded bool) {
	if child = n.children[string(segment)]; child != nil {
		return child, false
	}
	if n.rest != nil || len(n.children) >= maxValues {
		if n.rest == nil && insert {
			n.rest = &node{}
			t.nodes++
		}
		return n.rest, true
	}
	if !insert {
		return nil, false
	}
	if n.children == nil {
		n.children = map[string]*node{}
	}
	child = &node{}
	n.children[string(segment)] = child
	t.nodes++
	return child, false
}

// cut returns the first segment of what is left of a key: the method, or a slash and what follows it up to the next one. A slash at the
// end belongs to the last segment, because /a/ and /b/ differ as /a and /b do.
func cut(key []byte, depth int) (segment, rest []byte) {
	switch depth {
	case 0:
		for i, c := range key {
			if c == ' ' {
				return key[:i], key[i+1:]
			}
		}
		return key, nil
	case maxDepth:
		return key, nil
	}
	i := 1
	for i < len(key) && key[i] != '/' {
		i++
	}
	if i == len(key)-1 {
		i++
	}
	return key[:i], key[i:]
}

// pattern is a key with * for the segments that are folded.
func (t *table) pattern(key []byte) string {
	var text []byte
	n := &t.root
	for depth, rest := 0, key; len(rest) > 0; depth++ {
		var segment []byte
		segment, rest = cut(rest, depth)
		child, folded := t.step(n, segment, false)
		switch {
		case folded && depth == 0:
			text = append(text, '*')
		case folded && len(segment) > 1 && segment[len(segment)-1] == '/':
			text = append(text, "/*/"...)
		case folded:
			text = append(text, "/*"...)
		default:
			text = append(text, segment...)
		}
		if depth == 0 {
			text = append(text, ' ')
		}
		n = child
	}
	return string(text)
}

// split gives one key of many that share a route a route of its own, which begins with what is known of the shared one, or with
// nothing. It returns nil when there is no room for that.
func (t *table) split(e *entry, key []byte, knowing bool) *entry {
	own := &route{key: string(key)}
	if knowing {
		*own = *e.route
		own.key, own.running, own.waiting, own.deaths, own.shared = string(key), 0, 0, 0, 0
	}
	own.method, own.hash = "", 0
	if !e.folded { // it is one of several keys of the framework's route
		if e.route.shared--; e.route.shared == 0 {
			t.disown(e.route)
		}
		e.route, e.apart = own, true
		own.shared = 1
		return e
	}
	if e.values >= maxApart || t.entries >= maxEntries {
		return nil
	}
	e.values++
	o := t.enter(&entry{key: own.key, route: own, rule: t.rule(key), apart: true, from: e})
	t.exact[o.key] = o
	return o
}

// alias notes the framework's route of an entry, and makes the entry share what is known of that route. It returns the route
// that the entry had before, when it changed.
func (t *table) alias(e *entry, method string, hash uint64) (before *route) {
	e.hash = hash
	if e.flips++; e.apart || e.flips > maxFlips {
		return nil
	}
	canon, had := t.canon[canonKey{method, hash}], e.route
	switch {
	case canon == had:
		return nil
	case canon == nil && len(t.canon) >= maxEntries:
		return nil
	case canon == nil && had.shared == 1: // it becomes what the others will share
		t.disown(had)
		t.canon[canonKey{method, hash}] = had
		had.method, had.hash = method, hash
		return nil
	case canon == nil:
		canon = &route{key: e.key, method: method, hash: hash}
		t.canon[canonKey{method, hash}] = canon
	case canon.known && had.known && canon.class() != had.class():
		return nil // the framework has one route for requests that are unlike
	}
	e.route = canon
	canon.shared++
	canon.deaths += had.deaths
	if had.shared--; had.shared == 0 {
		t.disown(had)
	}
	return had
}

// disown takes a route out of those that are found by the framework's route.
func (t *table) disown(rt *route) {
	if at := (canonKey{rt.method, rt.hash}); t.canon[at] == rt {
		delete(t.canon, at)
	}
}

// parent returns the node above that of a key, nil when it is too far up to fold what is below it or has folded already.
func (t *table) parent(key []byte) *node {
	n := &t.root
	for depth, rest := 0, key; ; depth++ {
		var segment []byte
		segment, rest = cut(rest, depth)
		if len(rest) == 0 {
			break
		}
		if n, _ = t.step(n, segment, false); n == nil {
			return nil
		}
	}
	if n == &t.root || n.rest != nil || t.entries >= maxEntries {
		return nil
	}
	return n
}

// foldAlike folds the last segment of a key if enough others in its place have the same route of the framework.
func (t *table) foldAlike(e *entry, key []byte) {
	parent := t.parent(key)
	if parent == nil || e.route.hash != e.hash {
		return
	}
	var segments []string
	for segment, n := range parent.children {
		if n.alike(e.hash) {
			segments = append(segments, segment)
		}
	}
	if len(segments) >= maxAlike {
		t.fold(parent, segments, e, key)
	}
}

// foldFresh folds the last segment of a key, of which a request has just ended, if enough others in its place were asked for as seldom
// and took about as long, and none is of another class: articles, each with a path of its own. What is asked for often keeps its entry.
// It returns the routes that are no more.
func (t *table) foldFresh(e *entry, key []byte) (before []*route) {
	rt, parent := e.route, t.parent(key)
	if parent == nil || rt.class() == Unknown {
		return nil
	}
	alike, least, most, among := 0, rt.estimate, rt.estimate, false
	var segments []string
	for segment, n := range parent.children {
		if n.fresh() {
			segments = append(segments, segment)
			among = among || n.entry == e
		}
		switch {
		case n.entry == nil || n.entry.route.class() == Unknown:
		case n.entry.route.class() != rt.class() || n.entry.route.waits != rt.waits:
			return nil
		case n.fresh():
			alike++
			if !n.entry.route.provisional {
				least, most = min(least, n.entry.route.estimate), max(most, n.entry.route.estimate)
			}
		}
	}
	if !among || alike < maxFresh || most > alikeTimes*least {
		return nil
	}
	for _, segment := range segments {
		if n := parent.children[segment]; n.entry != e {
			before = append(before, n.entry.route)
			rt.absorb(n.entry.route)
		}
	}
	rt.ended = settled
	t.fold(parent, segments, e, key)
	rt.key = e.into.key
	return before
}

// fold gives the values of a place one entry, which has the route of e, but for those below it that are not among these segments.
func (t *table) fold(parent *node, segments []string, e *entry, key []byte) {
	parent.rest = &node{}
	t.nodes++
	folded := t.enter(&entry{route: e.route, hash: e.hash, folded: true})
	parent.rest.entry = folded
	for _, segment := range segments {
		gone := parent.children[segment].entry
		t.forget(gone)
		gone.route, gone.into = e.route, folded
		delete(parent.children, segment)
		t.nodes--
	}
	folded.key = t.pattern(key)
}

// alike reports whether a node is a leaf that shares the framework's route.
func (n *node) alike(hash uint64) bool {
	return n.entry != nil && n.entry.hash == hash && !n.entry.apart && n.entry.route.hash == hash && len(n.children) == 0 && n.rest == nil
}

// fresh reports whether a node is a leaf of which little or nothing is known, and that has a route for itself.
func (n *node) fresh() bool {
	e := n.entry
	return e != nil && e.hash == 0 && !e.apart && e.route.shared == 1 && e.route.requests < warmUp && len(n.children) == 0 && n.rest == nil
}

// forget takes an entry out of the books; the caller takes it out of the tree.
func (t *table) forget(e *entry) {
	if t.exact[e.key] == e {
		delete(t.exact, e.key)
	}
	if e.from != nil {
		e.from.values--
	}
	e.gone = true
	t.entries--
	if e.route.shared--; e.route.shared == 0 {
		t.disown(e.route)
	}
}

// evict forgets the half of the table that was not used for longest.
func (t *table) evict() {
	used := make([]uint64, 0, t.entries)
	t.each(func(e *entry) { used = append(used, e.used) })
	if len(used) == 0 {
		t.root, t.nodes = node{}, 0
		return
	}
	slices.Sort(used)
	limit := used[len(used)/2]
	for _, e := range t.exact {
		if e.from != nil && e.used <= limit {
			t.forget(e)
		}
	}
	t.prune(&t.root, limit)
}

// prune forgets what was not used after limit below a node, and reports whether nothing is left there.
func (t *table) prune(n *node, limit uint64) (empty bool) {
	for segment, child := range n.children {
		if t.prune(child, limit) {
			delete(n.children, segment)
			t.nodes--
		}
	}
	if n.rest != nil && t.prune(n.rest, limit) {
		n.rest = nil
		t.nodes--
	}
	if n.entry != nil && n.entry.used <= limit {
		t.forget(n.entry)
		n.entry = nil
	}
	return n.entry == nil && n.rest == nil && len(n.children) == 0
}

// each calls f for every entry.
func (t *table) each(f func(*entry)) {
	for _, e := range t.exact {
		f(e)
	}
	t.root.eachFolded(f)
}

func (n *node) eachFolded(f func(*entry)) {
	if n.entry != nil && n.entry.folded {
		f(n.entry)
	}
	for _, child := range n.children {
		child.eachFolded(f)
	}
	if n.rest != nil {
		n.rest.eachFolded(f)
	}
}

// name notes what the framework calls a route.
func (t *table) name(hash uint64, name string) {
	if _, known := t.names[hash]; hash != 0 && (known || len(t.names) < maxNames) {
		t.names[hash] = name[:min(len(name), maxName)]
	}
}

// title is what people read.
func (t *table) title(rt *route) string { return title(rt, t.names[rt.hash]) }

// title is the framework's name for a route if it told one, else the key.
func title(rt *route, name string) string {
	if name != "" {
		return rt.method + " " + name
	}
	return rt.key
}
