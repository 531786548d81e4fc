// Package lane decides which request goes to a worker when, and why: what fast, slow and new requests may take, whose turn it is, what
// is known of a kind of request, and what to refuse under overload. It is pure policy: no I/O, no goroutines, no clock. Times are
// passed in as durations since an epoch of the caller's, and the caller serialises all calls.
//
// An Item is one request. It goes through a Scheduler like this:
//
//	Arrive ──Admit says where──► Start ───────────────► End ──► Learn
//	   └──Wait (Kept)──► Peek names it ──► Start          │
//	        │    └─ Full, Refused: gone                   ├─ Requeue: first of its lane again
//	        └─ Expire, Remove, Drain: gone                └─ Remove: gone, as if never sent
//
// Arrive judges the item: its route (by key), class and lane. Start books a slot; a slot is Computing (a thread that reads the shared
// queue) or Spare (a further thread of a worker, for what waits rather than computes). While an item runs, Overstay tells how long it
// has. After each call that may let something go (End, Learn or Overstay that return true, Remove of a started item, Resize), the
// caller takes items with Peek and Start until Peek has none. Expire is called every now and then.
//
// Who may go, with P computing slots of which R are reserved:
//
//   - fast: any computing slot, and up to 8 for each of them ahead; one that waits goes to a spare slot when no computing one is free.
//   - slow: at most P-R computing slots, together with what is new. What waits goes to a spare slot first.
//   - new (class Unknown): likewise; then a spare slot, if no other new one is tried there; then a reserved one, if routes mostly turn
//     out fast and no other new one is there; neither while one of the same route runs.
//
// Lanes go by priority. In a lane clients take turns by expected cost: an item's tag is the virtual time of the lane, or that up to
// which its client has been charged if that is later, plus the cost; the least tag goes first. With one client that is first come, first
// served; among clients it is the shortest first, and nobody starves, as the time of the lane follows what has ended. What has waited for
// half its deadline, or 10 s, goes before everything else.
//
// Under overload waiting is bounded: by deadlines, by Config.QueueTarget for what is fast or new, and for slow work by refusing at once
// what would not be served before its deadline, or before clients of its lane have been seen to leave (Abandon).
//
// Memory is bounded whatever arrives: 4,096 routes (see table), 1,024 clients for each lane, Config.MaxQueue items.
package lane
