package hostile

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// secondStreams is how many streams a nuisance of HTTP/2 has on its connection.
const secondStreams = 50

// secondKinds are the ways to be a nuisance by HTTP/2: few connections with many streams.
var secondKinds = []kind{
	{
		name: "slow uploads by HTTP/2", count: 2, pace: time.Second,
		begin: openStreams(0, false, ":method", "POST", ":path", "/crowd", "content-length", "10000000"),
		again: everyStream(func(f *http2.Framer, id uint32) error {
			return f.WriteData(id, false, []byte(strings.Repeat("u", 1024)))
		}),
	},
	{
		name: "slow readers by HTTP/2", count: 2, pace: 100 * time.Millisecond, wants: secondStreams,
		begin: openStreams(1, true, ":method", "GET", ":path", fmt.Sprintf("/big/%d/crowd", responseSize)),
		again: func(nc net.Conn) error {
			if err := everyStream(func(f *http2.Framer, id uint32) error { return f.WriteWindowUpdate(id, 1) })(nc); err != nil {
				return err
			}
			_, err := nc.Read(make([]byte, 4096))
			return err
		},
	},
}

// openStreams begins a connection whose streams have a window of so many bytes, 0 for the usual one, and opens all of them; end says that
// the head is all of a request.
func openStreams(window uint32, end bool, fields ...string) func(net.Conn) error {
	return func(nc net.Conn) error {
		var out, block bytes.Buffer
		out.WriteString(http2.ClientPreface)
		f := http2.NewFramer(&out, nil)
		var settings []http2.Setting
		if window > 0 {
			settings = append(settings, http2.Setting{ID: http2.SettingInitialWindowSize, Val: window})
		}
		err := f.WriteSettings(settings...)
		encoder := hpack.NewEncoder(&block)
		for n := range uint32(secondStreams) {
			block.Reset()
			for i := 0; i < len(fields); i += 2 {
				err = errors.Join(err, encoder.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]}))
				if i == 2 { // behind the path
					err = errors.Join(err, encoder.WriteField(hpack.HeaderField{Name: ":scheme", Value: "https"}), encoder.WriteField(hpack.HeaderField{Name: ":authority", Value: "x"}))
				}
			}
			err = errors.Join(err, f.WriteHeaders(http2.HeadersFrameParam{StreamID: 2*n + 1, BlockFragment: block.Bytes(), EndHeaders: true, EndStream: end}))
		}
		if err == nil {
			_, err = nc.Write(out.Bytes())
		}
		return err
	}
}

// everyStream writes a frame for each stream of a connection.
func everyStream(frame func(f *http2.Framer, id uint32) error) func(net.Conn) error {
	return func(nc net.Conn) error {
		var out bytes.Buffer
		f := http2.NewFramer(&out, nil)
		for n := range uint32(secondStreams) {
			if err := frame(f, 2*n+1); err != nil {
				return err
			}
		}
		_, err := nc.Write(out.Bytes())
		return err
	}
}
