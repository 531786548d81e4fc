package wire

import (
	"bytes"
	"errors"
	"testing"

	"golang.org/x/sys/unix"
)

func TestTrayCarriesAPiece(t *testing.T) {
	tray, remote, err := NewTray()
	if err != nil {
		t.Fatal(err)
	}
	defer remote.Close()
	defer tray.Close()
	pieces := [][]byte{bytes.Repeat([]byte("a"), TrayPlaceSize), []byte("b")}
	var places []int
	for _, piece := range pieces {
		mark, ok := tray.Put(piece)
		if !ok {
			t.Fatal("no place is free")
		}
		rest, body, place, err := tray.Body(append([]byte("head"), mark...))
		if err != nil || string(rest) != "head" || !bytes.Equal(body, piece) {
			t.Fatalf("%d bytes behind %q, %v; want %d", len(body), rest, err, len(piece))
		}
		places = append(places, place)
	}
	if _, ok := tray.Put([]byte("c")); ok {
		t.Error("a third piece was laid on two places")
	}
	tray.Free(places[1])
	if _, ok := tray.Put(make([]byte, TrayPlaceSize+1)); ok {
		t.Error("a piece larger than a place was laid down")
	}
	if mark, ok := tray.Put([]byte("d")); !ok || mark[0] != byte(places[1]) {
		t.Errorf("the place that was given back is not used: %v, %v", mark, ok)
	}
	for _, size := range []int64{0, TraySize + 4096} {
		if err := unix.Ftruncate(int(remote.Fd()), size); !errors.Is(err, unix.EPERM) {
			t.Errorf("the worker may change its size to %d: %v", size, err)
		}
	}
}

func FuzzTrayBody(f *testing.F) {
	tray, remote, err := NewTray()
	if err != nil {
		f.Fatal(err)
	}
	defer remote.Close()
	defer tray.Close()
	f.Add([]byte("\x01\x00\x00\x00\x00\x00\x10\x00"))
	f.Add([]byte("head\x00\x00\x00\x00\x05\x00\x00\x00"))
	f.Add([]byte("\x02\x00\x00\x00\x01\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, payload []byte) {
		rest, body, place, err := tray.Body(payload)
		if err != nil {
			if !errors.Is(err, ErrProtocol) {
				t.Errorf("%v", err)
			}
			return
		}
		if len(rest)+8 != len(payload) || len(body) > TrayPlaceSize || place < 0 || place >= TrayPlaces {
			t.Errorf("%d bytes, then %d on place %d", len(rest), len(body), place)
		}
		for i := range body { // must not fault
			if body[i] != 0 {
				t.Fatal("nothing was laid there")
			}
		}
	})
}
