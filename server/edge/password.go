package edge

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/tg123/go-htpasswd"
	"golang.org/x/crypto/bcrypt"
)

// Bounds of a password file.
const (
	maxPasswordFile = 1 << 20 // bytes
	maxBcryptCost   = 12      // about 0.3 s of a processor for each password that is tried
)

// Passwords are the users of a file of Apache's htpasswd, nginx's auth_basic_user_file. They do not change.
type Passwords struct {
	id    [sha256.Size]byte // of the file's content, so that what was right by an old one is asked again of a new one
	users map[string]htpasswd.EncodedPasswd
	decoy htpasswd.EncodedPasswd // for names that are not there, so that an answer takes as long
}

// formats are what a line may hold: bcrypt, APR1 and MD5-crypt, SHA-1, salted SHA-1, SHA-256 and SHA-512 crypt. Plain text is not among them.
var formats = []htpasswd.PasswdParser{
	htpasswd.AcceptBcrypt, htpasswd.AcceptMd5, htpasswd.AcceptSha, htpasswd.AcceptSsha, htpasswd.AcceptCryptSha,
}

// loadPasswords reads a file. Errors name the line, and never show it.
func loadPasswords(path string) (*Passwords, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("password file: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxPasswordFile+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("password file: %w", err)
	case len(text) > maxPasswordFile:
		return nil, fmt.Errorf("password file %s: it has more than %d bytes; a site with so many users needs its own login", path, maxPasswordFile)
	}
	p, err := parsePasswords(text)
	if err != nil {
		return nil, fmt.Errorf("password file %s: %w", path, err)
	}
	p.id = sha256.Sum256(text)
	return p, nil
}

func parsePasswords(text []byte) (*Passwords, error) {
	p := &Passwords{users: map[string]htpasswd.EncodedPasswd{}}
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, maxPasswordFile)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		user, secret, found := strings.Cut(line, ":")
		if !found || user == "" {
			return nil, fmt.Errorf("line %d is not NAME:PASSWORD as htpasswd writes it", n)
		}
		secret, _, _ = strings.Cut(secret, ":") // what follows is a comment, as in nginx
		encoded, err := parseSecret(secret)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		p.users[user] = encoded
		if p.decoy == nil {
			p.decoy = encoded
		}
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if p.decoy == nil {
		return nil, errors.New("it has no users; add one with: htpasswd -B FILE NAME")
	}
	return p, nil
}

func parseSecret(secret string) (htpasswd.EncodedPasswd, error) {
	if cost, err := bcrypt.Cost([]byte(secret)); err == nil && cost > maxBcryptCost {
		return nil, fmt.Errorf("the cost of its bcrypt password is %d, which would keep the server busy for anybody who tries one; use %d at most: htpasswd -B -C 10",
			cost, maxBcryptCost)
	} else if err != nil && strings.HasPrefix(secret, "$2") {
		return nil, errors.New("its bcrypt password is damaged")
	}
	if strings.HasPrefix(secret, "$5$rounds=") || strings.HasPrefix(secret, "$6$rounds=") {
		return nil, errors.New("its password has a number of rounds of its own, which is not supported; use bcrypt: htpasswd -B")
	}
	for _, format := range formats {
		if encoded, err := format(secret); err != nil {
			return nil, errors.New("its password is damaged")
		} else if encoded != nil {
			return encoded, nil
		}
	}
	return nil, errors.New("its password is of no supported kind (bcrypt, apr1, SHA); plain text is refused; use bcrypt: htpasswd -B")
}

// longestCredentials bounds what of an Authorization field is read, in bytes.
const longestCredentials = 1024

// credentials reads the value of an Authorization field of the scheme Basic (RFC 7617).
func credentials(field []byte) (user, password string, ok bool) {
	scheme, rest, found := bytes.Cut(field, []byte(" "))
	if !found || len(rest) > longestCredentials || !bytes.EqualFold(scheme, []byte("basic")) {
		return "", "", false
	}
	text, err := base64.StdEncoding.AppendDecode(nil, bytes.Trim(rest, " \t"))
	if err != nil {
		return "", "", false
	}
	for _, c := range text {
		if c < ' ' || c == 0x7f { // RFC 7617 2
			return "", "", false
		}
	}
	return strings.Cut(string(text), ":")
}
