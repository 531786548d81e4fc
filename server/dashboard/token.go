package dashboard

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

const (
	minToken  = 16   // characters; fewer can be guessed
	maxToken  = 1024 // bytes
	tokenMode = 0o600
)

// NewToken returns a token with 130 bits of randomness at least.
func NewToken() string { return rand.Text() }

// TokenFile reads the token in a file: its first line. A file that does not exist is made, with a new token, for its owner only; owner, nil
// for who we are, gets it. The error names the file and what to do.
func TokenFile(path string, owner func(*os.File) error) (token string, err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, tokenMode)
	if err == nil {
		return create(f, owner)
	}
	if !errors.Is(err, os.ErrExist) {
		return "", fmt.Errorf("cannot make the file for the dashboard's token: %w", err)
	}
	if f, err = os.Open(path); err != nil {
		return "", fmt.Errorf("cannot read the dashboard's token: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxToken+1))
	if err != nil {
		return "", fmt.Errorf("cannot read the dashboard's token: %w", err)
	}
	first, _, _ := strings.Cut(string(text), "\n")
	token = strings.TrimSpace(first)
	if err := CheckToken(token); err != nil {
		return "", fmt.Errorf("%s: %w; remove the file to have a new one made", path, err)
	}
	return token, nil
}

// create writes a new token into a new file, which goes away again when that fails.
func create(f *os.File, owner func(*os.File) error) (token string, err error) {
	defer func() {
		if err = errors.Join(err, f.Close()); err != nil {
			_ = os.Remove(f.Name())
			err = fmt.Errorf("cannot write the dashboard's token: %w", err)
		}
	}()
	token = NewToken()
	if owner != nil {
		if err := owner(f); err != nil {
			return "", err
		}
	}
	_, err = f.WriteString(token + "\n")
	return token, err
}

// CheckToken says what is wrong with a token that somebody chose.
func CheckToken(token string) error {
	switch {
	case len(token) < minToken:
		return fmt.Errorf("the token has %d characters: take %d at least, for example from openssl rand -hex 24", len(token), minToken)
	case len(token) > maxToken:
		return fmt.Errorf("the token has more than %d characters", maxToken)
	}
	for _, c := range []byte(token) {
		if c <= ' ' || c > '~' {
			return errors.New("the token has other characters than printable ASCII without spaces")
		}
	}
	return nil
}

// same compares two tokens in a time that tells nothing of either, not even its length.
func same(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}
