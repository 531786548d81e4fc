package e2e

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"testing"
)

// body is random text with line ends about every hundred bytes, the same for the same size.
func body(size int) []byte {
	random := rand.New(rand.NewPCG(uint64(size), 1))
	text := make([]byte, size)
	for i := range text {
		text[i] = byte(random.IntN(256))
		if random.IntN(100) == 0 {
			text[i] = '\n'
		}
	}
	return text
}

func TestInputReadsTheSameBytesInEveryWay(t *testing.T) {
	t.Parallel()
	s := start(t, "echo:app", "-w", "2")
	sizes := []int{0, 1, 1023, 1024, 1025, 16383, 16384, 16385, 65535, 65536, 65537, 131072, 165000}
	const huge = 5 << 20
	ways := []string{
		"read", "read/1000", "read/65536", "read-minus-one", "readline", "readline/50", "readlines", "readlines/1000",
		"iter", "past-end", "read-zero",
	}
	for _, framing := range []string{"length", "chunked"} {
		for _, way := range ways {
			t.Run(framing+"/"+way, func(t *testing.T) {
				t.Parallel()
				for _, size := range append(sizes, huge) {
					if size == huge && way != "read" && way != "iter" && way != "readlines" {
						continue
					}
					sent := body(size)
					var reader io.Reader = bytes.NewReader(sent)
					if framing == "chunked" {
						reader = io.MultiReader(reader) // hides the size
					}
					request, err := http.NewRequest("POST", s.URL("/input/"+way), reader)
					if err != nil {
						t.Fatal(err)
					}
					echo := s.WantEcho(t, s.Do(request))
					want := fmt.Sprintf("%x", sha256.Sum256(sent))
					if echo.Length != size || echo.SHA256 != want {
						t.Errorf("%d bytes: the application read %d bytes, the same ones: %v", size, echo.Length, echo.SHA256 == want)
					}
					if !echo.PiecesBytes {
						t.Errorf("%d bytes: not all pieces are bytes", size)
					}
					if echo.LinesEnd != nil && !*echo.LinesEnd && way != "readline/50" && way != "readlines/1000" {
						t.Errorf("%d bytes: a piece that is not the last does not end in a newline", size)
					}
					if way == "readline/50" && echo.Longest > 50 {
						t.Errorf("%d bytes: readline(50) gave %d bytes", size, echo.Longest)
					}
				}
			})
		}
	}
}

func TestInputMixesWaysOfReading(t *testing.T) {
	t.Parallel()
	s := start(t, "echo:app")
	sent := body(100_000)
	echo := s.WantEcho(t, s.Request("POST", "/input/mixed", string(sent)))
	if want := fmt.Sprintf("%x", sha256.Sum256(sent)); echo.SHA256 != want {
		t.Errorf("the application read %d of %d bytes", echo.Length, len(sent))
	}
}

// Row 23: a body that the application ignores does not become the next request.
func TestUnreadInputIsNotTheNextRequest(t *testing.T) {
	t.Parallel()
	s := start(t, "echo:app")
	for _, size := range []int{10, 70_000, 1 << 20} {
		conn := s.Dial()
		conn.Send(fmt.Sprintf("POST /input/nothing HTTP/1.1\r\nHost: test\r\nContent-Length: %d\r\n\r\n", size))
		conn.Send(string(bytes.Repeat([]byte("GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"), size/34+1)[:size]))
		first := conn.MustRead("POST")
		if first.Close {
			continue // allowed; then nothing can be mistaken
		}
		conn.Get("/second")
		if second := conn.MustRead("GET"); !bytes.Contains(second.Body, []byte(`"nonce_path": "/second"`)) {
			t.Errorf("after %d unread bytes the answer to the second request is %.300q", size, second.Body)
		}
	}
}
