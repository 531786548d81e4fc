package wire

import (
	"fmt"
	"strings"
)

type named struct {
	name  string
	value int
}

var kinds = []struct {
	kind Kind
	name string
}{
	{KindRequest, "REQUEST"}, {KindLeave, "LEAVE"}, {KindLend, "LEND"}, {KindHello, "HELLO"}, {KindHead, "HEAD"}, {KindBody, "BODY"}, {KindFile, "FILE"},
	{KindInterim, "INTERIM"}, {KindAbort, "ABORT"}, {KindReturn, "RETURN"}, {KindLoaded, "LOADED"}, {KindForked, "FORKED"}, {KindExited, "EXITED"},
	{KindLog, "LOG"}, {KindBootFailed, "BOOT_FAILED"}, {KindReady, "READY"}, {KindRetiring, "RETIRING"}, {KindStacks, "STACKS"},
	{KindRoute, "ROUTE"}, {KindBoot, "BOOT"}, {KindFork, "FORK"}, {KindExit, "EXIT"}, {KindStop, "STOP"}, {KindDump, "DUMP"},
	{KindInterrupt, "INTERRUPT"}, {KindThread, "THREAD"}, {KindConfigured, "CONFIGURED"}, {KindFiles, "FILES"}, {KindSite, "SITE"}, {KindDue, "DUE"}, {KindConfigure, "CONFIGURE"},
	{KindEvent, "EVENT"}, {KindRecord, "RECORD"}, {KindPing, "PING"}, {KindPong, "PONG"}, {KindBehind, "BEHIND"},
}

var knownKinds = func() (bits uint64) {
	for _, k := range kinds {
		bits |= 1 << k.kind
	}
	return bits
}()

var (
	limits = []named{
		{"MAX_PACKET", MaxPacket}, {"MAX_FRAME", MaxFrame}, {"MAX_PAYLOAD_FD", MaxPayloadFD}, {"MAX_FDS", MaxFDs},
		{"DELAY_FROM", DelayFrom}, {"LOAN_FROM", LoanFrom},
	}
	descriptors = []named{{"CONTROL", FDControl}, {"QUEUE", FDQueue}, {"SCOREBOARD", FDScoreboard}}
	flags       = []named{{"END", FlagEnd}, {"BODY_FD", FlagBodyFD}, {"PAYLOAD_FD", FlagPayloadFD}, {"BACKGROUND", FlagBackground}, {"TRAY", FlagTray}, {"LOAN", FlagLoan}}
	forks       = []named{{"OWN_QUEUE", ForkOwnQueue}, {"SITE", ForkSite}, {"TRAY", ForkTray}, {"GATE", ForkGate}}
	tray        = []named{{"PLACES", TrayPlaces}, {"PLACE_SIZE", TrayPlaceSize}, {"HEADER", TrayHeader}, {"SIZE", TraySize}}
	aborts      = []named{{"RAISED", AbortRaised}, {"PROTOCOL", AbortProtocol}, {"EXIT", AbortExit}, {"GONE", AbortGone}}
	retires     = []named{{"APP_EXIT", RetireAppExit}, {"STOPPED", RetireStopped}}
	exits       = []named{{"GENERATION", ExitGeneration}, {"SERVER", ExitServer}}
	events      = []named{{"WHEN_READY", EventWhenReady}, {"NWORKERS_CHANGED", EventNWorkersChanged}, {"PRE_EXEC", EventPreExec}, {"REOPEN", EventReopen}}
	notices     = []named{{"ABANDONED", NoticeAbandoned}, {"DEMOTED", NoticeDemoted}}
	levels      = []named{
		{"PRINTED", LevelPrinted}, {"DEBUG", LevelDebug}, {"INFO", LevelInfo}, {"WARNING", LevelWarning}, {"ERROR", LevelError}, {"CRITICAL", LevelCritical},
	}
	states = []named{
		{"FREE", int(SlotFree)}, {"QUEUED", int(SlotQueued)}, {"RUNNING", int(SlotRunning)}, {"DONE", int(SlotDone)},
		{"CANCELLED", int(SlotCancelled)},
	}
	slotFields = []named{
		{"WORD", slotWord}, {"STARTED", slotStarted}, {"ENDED", slotEnded}, {"CPU", slotCPU}, {"PID", slotPID},
		{"THREAD", slotThread}, {"NOTICE", slotNotice}, {"TID", slotTID}, {"DELAY", slotDelay}, {"ROUTE", slotRoute}, {"SIZE", SlotSize},
	}
)

// CHeader returns the C header with every number of the protocol, for the worker. cmd/gendocs writes it to pyworker/gp_wire.h.
func CHeader() string {
	var b strings.Builder
	b.WriteString("/* Generated from prefork/wire by cmd/gendocs; do not edit. The specification is prefork/wire/PROTOCOL.md. */\n")
	b.WriteString("#ifndef GP_WIRE_H\n#define GP_WIRE_H\n\n")
	fmt.Fprintf(&b, "#define GP_WIRE_VERSION %d\n#define GP_WIRE_HEADER_SIZE %d\n", Version, HeaderSize)
	group := func(prefix string, rows []named) {
		b.WriteByte('\n')
		for _, r := range rows {
			fmt.Fprintf(&b, "#define GP_%s%s %d\n", prefix, r.name, r.value)
		}
	}
	group("", limits)
	group("FD_", descriptors)
	b.WriteByte('\n')
	for _, k := range kinds {
		fmt.Fprintf(&b, "#define GP_KIND_%s %d\n", k.name, k.kind)
	}
	group("FLAG_", flags)
	group("FORK_", forks)
	group("TRAY_", tray)
	group("ABORT_", aborts)
	group("RETIRE_", retires)
	group("EXIT_", exits)
	group("EVENT_", events)
	group("LEVEL_", levels)
	group("NOTICE_", notices)
	group("SLOT_STATE_", states)
	group("SLOT_", slotFields)
	b.WriteString("\n#endif\n")
	return b.String()
}
