package wire

import (
	"encoding/binary"
	"fmt"
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Layout of a tray, in bytes.
const (
	TrayPlaces    = 2
	TrayPlaceSize = 1 << 20 // the largest piece of a body in one frame
	TrayHeader    = 4096    // a word for each place: 0 is free, 1 is taken
	TraySize      = TrayHeader + TrayPlaces*TrayPlaceSize
	trayMark      = 8 // a frame with FlagTray ends with place u32, length u32
)

// Tray is memory that the master shares with one worker: places on which the worker lays a large piece of a body down, so that it is
// copied once on its way and not twice. The worker takes a place by compare-and-swap and tells the master of it in a frame; the master
// gives it back. One goroutine for each place may call its methods, and Close when there is none any more.
type Tray struct{ mem []byte }

// NewTray makes a tray. remote is a descriptor of it for the worker, whose caller it is to close. The worker can change what lies there, but
// not its size, so that looking at it is always safe.
func NewTray() (t *Tray, remote *os.File, err error) {
	fd, err := unix.MemfdCreate("gounicorn-tray", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, nil, fmt.Errorf("tray: memfd_create: %w", err)
	}
	remote = os.NewFile(uintptr(fd), "tray")
	if err = unix.Ftruncate(fd, TraySize); err == nil {
		_, err = unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_SEAL)
	}
	if err != nil {
		_ = remote.Close()
		return nil, nil, fmt.Errorf("tray: %w", err)
	}
	mem, err := unix.Mmap(fd, 0, TraySize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		_ = remote.Close()
		return nil, nil, fmt.Errorf("tray: mmap: %w", err)
	}
	return &Tray{mem: mem}, remote, nil
}

// Body returns the piece of a body that a frame with FlagTray names at the end of its payload, what is before that, and the place, which the
// caller gives back with Free when it needs the piece no more. t may be nil.
func (t *Tray) Body(payload []byte) (rest, body []byte, place int, err error) {
	if t == nil || len(payload) < trayMark {
		return nil, nil, 0, fmt.Errorf("%w: a frame of %d bytes names a place, but there is none", ErrProtocol, len(payload))
	}
	rest, mark := payload[:len(payload)-trayMark], payload[len(payload)-trayMark:]
	at, size := binary.LittleEndian.Uint32(mark), binary.LittleEndian.Uint32(mark[4:])
	if at >= TrayPlaces || size > TrayPlaceSize {
		return nil, nil, 0, fmt.Errorf("%w: %d bytes on place %d of a tray", ErrProtocol, size, at)
	}
	from := TrayHeader + int(at)*TrayPlaceSize
	return rest, t.mem[from : from+int(size) : from+int(size)], int(at), nil
}

// Free gives a place back to the worker.
func (t *Tray) Free(place int) { atomic.StoreUint32(t.word(place), 0) }

// Put does what the worker does in C, for a worker in Go, such as those of tests: it lays a piece down and returns the mark that ends the
// payload of the frame. ok is false when no place is free or the piece is too large.
func (t *Tray) Put(piece []byte) (mark []byte, ok bool) {
	for place := range TrayPlaces {
		if len(piece) <= TrayPlaceSize && atomic.CompareAndSwapUint32(t.word(place), 0, 1) {
			copy(t.mem[TrayHeader+place*TrayPlaceSize:], piece)
			mark = binary.LittleEndian.AppendUint32(nil, uint32(place))
			return binary.LittleEndian.AppendUint32(mark, uint32(len(piece))), true
		}
	}
	return nil, false
}

func (t *Tray) word(place int) *uint32 { return (*uint32)(unsafe.Pointer(&t.mem[4*place])) }

// Close unmaps the tray. No piece of it may be in use.
func (t *Tray) Close() {
	if t != nil && t.mem != nil {
		_ = unix.Munmap(t.mem)
		t.mem = nil
	}
}
