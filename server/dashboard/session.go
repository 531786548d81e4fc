package dashboard

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"net"
	"net/http"
	"strings"
	"time"
)

const (
	sessionTime  = 12 * time.Hour
	sessionNonce = 8 // bytes, so that no two sessions are alike
	sessionHead  = 8 + sessionNonce
	sessionBytes = sessionHead + sha256.Size
)

// sessions makes and checks sessions. Nothing is kept: a session is its end and a proof that somebody who knew the token made it, so those of
// a token from a file outlive the server, and a new token ends them all.
type sessions struct{ key []byte }

func newSessions(token string) sessions {
	return sessions{key: sign([]byte(token), []byte("gounicorn dashboard session"))}
}

func sign(key, text []byte) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write(text)
	return mac.Sum(nil)
}

// issue returns a session that begins now.
func (s sessions) issue(now time.Time) string {
	b := make([]byte, sessionHead, sessionBytes)
	binary.BigEndian.PutUint64(b, uint64(now.Add(sessionTime).Unix()))
	_, _ = rand.Read(b[8:]) // never fails
	return base64.RawURLEncoding.EncodeToString(append(b, sign(s.key, b)...))
}

// until returns the end of a session; ok is false for one that has ended or is none.
func (s sessions) until(text string, now time.Time) (end time.Time, ok bool) {
	if len(text) != base64.RawURLEncoding.EncodedLen(sessionBytes) {
		return time.Time{}, false
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || !hmac.Equal(b[sessionHead:], sign(s.key, b[:sessionHead])) {
		return time.Time{}, false
	}
	end = time.Unix(int64(binary.BigEndian.Uint64(b)), 0)
	return end, now.Before(end)
}

// cookieName is the cookie of the dashboard that was asked: browsers do not keep the cookies of two ports of a host apart.
func cookieName(r *http.Request) string {
	if _, port, err := net.SplitHostPort(r.Host); err == nil {
		return "gounicorn_dashboard_" + port
	}
	return "gounicorn_dashboard"
}

// setCookie hands out a session; an empty one ends that of the browser. The cookie has no Path, so that it is for the folder of the page as
// the browser sees it, whatever a proxy cuts off. Secure says what the proxy says; a client that lies keeps its cookie to itself.
func setCookie(w http.ResponseWriter, r *http.Request, session string) {
	c := &http.Cookie{
		Name: cookieName(r), Value: session, HttpOnly: true, SameSite: http.SameSiteStrictMode,
		Secure: strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https"), MaxAge: int(sessionTime / time.Second),
	}
	if session == "" {
		c.MaxAge = -1
	}
	http.SetCookie(w, c)
}
