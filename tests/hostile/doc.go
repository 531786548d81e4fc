// Package hostile starts gounicorn and surrounds it with clients that do their
// worst, by the hundred and bounded in time, while a client that behaves goes
// on asking for a page. Rows 18 to 21 and 69 of docs/hostile-inputs.md.
//
// What is asserted does not depend on the clock: the page is always answered,
// no worker is busy with any of the others, what they hold stays within what
// the start log says, and all of it is given back. The long form, which also
// compares times, is make hostile.
package hostile
