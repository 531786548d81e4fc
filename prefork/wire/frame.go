package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Version of the protocol, carried by HELLO and CONFIGURE. Peers of different versions refuse each other.
const Version = 7

// Limits of the protocol, in bytes and descriptors; see PROTOCOL.md for the reasons.
const (
	HeaderSize   = 16
	MaxPacket    = 64 << 10
	MaxFrame     = 1280 << 10
	MaxPayloadFD = 4 << 20
	MaxFDs       = 250
	// DelayFrom is how many nanoseconds a request must run for the worker to tell how long it waited for a processor.
	DelayFrom = 4_000_000
)

// Descriptor numbers that the zygote inherits.
const (
	FDControl    = 3
	FDQueue      = 4
	FDScoreboard = 5
)

// Flags of a frame.
const (
	FlagEnd        = 1
	FlagBodyFD     = 2
	FlagPayloadFD  = 4
	FlagBackground = 8
	FlagTray       = 16
	FlagLoan       = 32
)

// Kind tells what a frame is.
type Kind uint8

// Kinds of frames; PROTOCOL.md tells who may send which, and where.
const (
	KindRequest    Kind = 1
	KindLeave      Kind = 2
	KindLend       Kind = 3
	KindHello      Kind = 16
	KindHead       Kind = 17
	KindBody       Kind = 18
	KindFile       Kind = 19
	KindInterim    Kind = 20
	KindAbort      Kind = 21
	KindReturn     Kind = 22
	KindLoaded     Kind = 33
	KindForked     Kind = 34
	KindExited     Kind = 35
	KindLog        Kind = 36
	KindBootFailed Kind = 37
	KindReady      Kind = 38
	KindRetiring   Kind = 39
	KindStacks     Kind = 40
	KindRoute      Kind = 41
	KindConfigured Kind = 42
	KindFiles      Kind = 43
	KindSite       Kind = 44
	KindDue        Kind = 45
	KindBehind     Kind = 46
	KindPong       Kind = 47
	KindBoot       Kind = 48
	KindFork       Kind = 49
	KindExit       Kind = 50
	KindStop       Kind = 52
	KindDump       Kind = 53
	KindInterrupt  Kind = 54
	KindThread     Kind = 55
	KindConfigure  Kind = 56
	KindEvent      Kind = 57
	KindRecord     Kind = 58
	KindPing       Kind = 62
)

// Bits of B of a FORK frame.
const (
	ForkOwnQueue = 1 // an own queue is among the descriptors
	ForkSite     = 2 // the worker is to say SITE before READY
	ForkTray     = 4 // a tray is among the descriptors
	ForkGate     = 8 // a warm-up that fails is a failed boot
)

// Causes of an ABORT frame.
const (
	AbortRaised   = 1
	AbortProtocol = 2
	AbortExit     = 3
	AbortGone     = 4
)

// Causes of a RETIRING frame.
const (
	RetireAppExit = 2
	RetireStopped = 3
)

// Events of an EVENT frame.
const (
	EventWhenReady       = 1
	EventNWorkersChanged = 2
	EventPreExec         = 3
	EventReopen          = 4
)

// NoWorkers stands for a number of workers that there was not, in an EVENT frame.
const NoWorkers = 0xffffffff

// Causes of a STOP frame.
const (
	StopLeave  = 0
	StopEdited = 1 // --reload has seen that a file of the application was edited
)

// Causes of an EXIT frame.
const (
	ExitGeneration = 0
	ExitServer     = 1
)

// AccessLog marks a LOG frame for the access log.
const AccessLog = 1

// Levels of a LOG frame; the numbers are those of Python's logging module.
const (
	LevelPrinted  = 0 // whole lines that are written as they are
	LevelDebug    = 10
	LevelInfo     = 20
	LevelWarning  = 30
	LevelError    = 40
	LevelCritical = 50
)

// ErrProtocol is wrapped by every error that means the peer broke the protocol; its channel must be destroyed.
var ErrProtocol = errors.New("wire: protocol error")

// Header is the 16 bytes that begin every frame.
type Header struct {
	Length uint32 // bytes of payload
	Kind   Kind
	Flags  uint8
	Aux    uint16
	A, B   uint32
}

// End reports whether the frame completes its response.
func (h Header) End() bool { return h.Flags&FlagEnd != 0 }

// AppendHeader appends the 16 bytes of h to dst.
func AppendHeader(dst []byte, h Header) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, h.Length)
	dst = append(dst, byte(h.Kind), h.Flags)
	dst = binary.LittleEndian.AppendUint16(dst, h.Aux)
	dst = binary.LittleEndian.AppendUint32(dst, h.A)
	return binary.LittleEndian.AppendUint32(dst, h.B)
}

// PutHeader writes h into the first 16 bytes of b, which must be that long.
func PutHeader(b []byte, h Header) {
	_ = b[HeaderSize-1]
	binary.LittleEndian.PutUint32(b, h.Length)
	b[4], b[5] = byte(h.Kind), h.Flags
	binary.LittleEndian.PutUint16(b[6:], h.Aux)
	binary.LittleEndian.PutUint32(b[8:], h.A)
	binary.LittleEndian.PutUint32(b[12:], h.B)
}

// ParseHeader reads the first 16 bytes of b. ok is false when b is shorter; nothing else is checked.
func ParseHeader(b []byte) (h Header, ok bool) {
	if len(b) < HeaderSize {
		return Header{}, false
	}
	return Header{
		Length: binary.LittleEndian.Uint32(b),
		Kind:   Kind(b[4]), Flags: b[5],
		Aux: binary.LittleEndian.Uint16(b[6:]),
		A:   binary.LittleEndian.Uint32(b[8:]),
		B:   binary.LittleEndian.Uint32(b[12:]),
	}, true
}

// ParsePacket splits one packet into header and payload. The payload aliases p. It fails with ErrProtocol unless the packet holds
// exactly one frame of a known kind.
func ParsePacket(p []byte) (Header, []byte, error) {
	h, ok := ParseHeader(p)
	if !ok {
		return h, nil, fmt.Errorf("%w: packet of %d bytes", ErrProtocol, len(p))
	}
	if !h.Kind.known() {
		return h, nil, fmt.Errorf("%w: unknown kind %d", ErrProtocol, h.Kind)
	}
	if h.Flags&FlagPayloadFD != 0 {
		if len(p) != HeaderSize || h.Length > MaxPayloadFD {
			return h, nil, fmt.Errorf("%w: %v with a descriptor: packet of %d bytes, payload of %d", ErrProtocol, h.Kind, len(p), h.Length)
		}
		return h, nil, nil
	}
	if int(h.Length) != len(p)-HeaderSize {
		return h, nil, fmt.Errorf("%w: %v announces %d bytes, packet has %d", ErrProtocol, h.Kind, h.Length, len(p)-HeaderSize)
	}
	return h, p[HeaderSize:], nil
}

// String returns the kind's name as PROTOCOL.md writes it.
func (k Kind) String() string {
	for _, row := range kinds {
		if row.kind == k {
			return row.name
		}
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

func (k Kind) known() bool { return k < 64 && knownKinds&(1<<k) != 0 }

// Stream reports whether frames of this kind may come on a response stream.
func (k Kind) Stream() bool { return k >= KindHello && k <= KindReturn }
