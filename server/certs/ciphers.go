package certs

import (
	"crypto/tls"
	"fmt"
	"slices"
	"strings"
)

// suite is a cipher suite of TLS 1.2 that crypto/tls serves, with OpenSSL's name and the words that select it.
type suite struct {
	id    uint16
	name  string
	words []string
}

// suites are in the order of crypto/tls, which decides by itself which of those that both sides have is taken. Suites without forward
// secrecy, which it calls insecure, are not served.
var suites = []suite{
	{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, "ECDHE-ECDSA-AES128-GCM-SHA256", []string{"aECDSA", "ECDSA", "AES128", "AES", "AESGCM", "SHA256"}},
	{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, "ECDHE-RSA-AES128-GCM-SHA256", []string{"aRSA", "AES128", "AES", "AESGCM", "SHA256"}},
	{tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, "ECDHE-ECDSA-AES256-GCM-SHA384", []string{"aECDSA", "ECDSA", "AES256", "AES", "AESGCM", "SHA384"}},
	{tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, "ECDHE-RSA-AES256-GCM-SHA384", []string{"aRSA", "AES256", "AES", "AESGCM", "SHA384"}},
	{tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, "ECDHE-ECDSA-CHACHA20-POLY1305", []string{"aECDSA", "ECDSA", "CHACHA20"}},
	{tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, "ECDHE-RSA-CHACHA20-POLY1305", []string{"aRSA", "CHACHA20"}},
	{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, "ECDHE-ECDSA-AES128-SHA", []string{"aECDSA", "ECDSA", "AES128", "AES", "SHA1", "SHA"}},
	{tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA, "ECDHE-RSA-AES128-SHA", []string{"aRSA", "AES128", "AES", "SHA1", "SHA"}},
	{tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA, "ECDHE-ECDSA-AES256-SHA", []string{"aECDSA", "ECDSA", "AES256", "AES", "SHA1", "SHA"}},
	{tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA, "ECDHE-RSA-AES256-SHA", []string{"aRSA", "AES256", "AES", "SHA1", "SHA"}},
}

// everySuite are the words that select all suites.
var everySuite = []string{"ALL", "DEFAULT", "COMPLEMENTOFALL", "HIGH", "FIPS", "ECDHE", "kECDHE", "EECDH", "kEECDH", "ECDH", "TLSv1.2", "TLSv1.0", "TLSv1", "SSLv3"}

// absent are words of OpenSSL for what crypto/tls has not; they select nothing.
var absent = []string{
	"COMPLEMENTOFDEFAULT", "MEDIUM", "LOW", "EXP", "EXPORT", "EXPORT40", "EXPORT56", "NULL", "eNULL", "aNULL", "MD5", "RC4", "RC2", "DES", "3DES", "IDEA", "SEED",
	"CAMELLIA", "CAMELLIA128", "CAMELLIA256", "ARIA", "ARIA128", "ARIA256", "ARIAGCM", "AESCCM", "AESCCM8", "CBC", "kRSA", "RSA", "kDHE", "DHE", "EDH", "kEDH", "DH", "kDH", "ADH",
	"AECDH", "aDH", "DSS", "aDSS", "PSK", "kPSK", "aPSK", "ECDHEPSK", "kECDHEPSK", "DHEPSK", "kDHEPSK", "RSAPSK", "kRSAPSK", "SRP", "aSRP", "kSRP", "GOST", "aGOST", "kGOST",
	"GOST94", "GOST89MAC", "KRB5", "STRENGTH", "SSLv2", "CBC3", "POLY1305",
}

// selects returns the suites that a word of OpenSSL stands for; known is false for a word that is none. Words joined by "+" select what
// all of them do.
func selects(word string) (some []suite, known bool) {
	for _, s := range suites {
		if s.name == word {
			return []suite{s}, true
		}
	}
	some = slices.Clone(suites)
	for part := range strings.SplitSeq(word, "+") {
		switch {
		case slices.Contains(everySuite, part):
		case slices.Contains(absent, part), absentName(part):
			some = nil
		default:
			has := func(s suite) bool { return slices.Contains(s.words, part) }
			if !slices.ContainsFunc(suites, has) {
				return nil, false
			}
			some = slices.DeleteFunc(some, func(s suite) bool { return !has(s) })
		}
	}
	return some, true
}

// absentName reports whether a word is the name of a suite of OpenSSL, of parts that it knows, that crypto/tls has not, or one of TLS 1.3.
func absentName(word string) bool {
	if strings.HasPrefix(word, "TLS_") {
		return slices.ContainsFunc(tls.CipherSuites(), func(s *tls.CipherSuite) bool { return s.Name == word })
	}
	parts := strings.Split(word, "-")
	if len(parts) < 2 {
		return false
	}
	for _, part := range parts {
		known := slices.Contains(absent, part) || slices.Contains([]string{"ECDHE", "ECDSA", "GCM", "CCM", "CCM8"}, part) ||
			slices.ContainsFunc(suites, func(s suite) bool { return slices.Contains(s.words, part) })
		if !known {
			return false
		}
	}
	return true
}

// Ciphers reads a cipher list as OpenSSL does (openssl-ciphers(1)): names and words with ":", ",", or spaces between, "!" and "-" before
// what shall not be used, "+" before what comes last. The result is for tls.Config.CipherSuites, in which the order means nothing. passed
// are names of suites that crypto/tls has not. TLS 1.3 has its own suites, which cannot be chosen.
func Ciphers(list string) (ids []uint16, passed []string, err error) {
	var chosen, banned []suite
	has := func(in []suite, s suite) bool {
		return slices.ContainsFunc(in, func(other suite) bool { return other.id == s.id })
	}
	for _, item := range strings.FieldsFunc(list, func(r rune) bool { return strings.ContainsRune(":, ;", r) }) {
		if strings.HasPrefix(item, "@") {
			if item == "@STRENGTH" || strings.HasPrefix(item, "@SECLEVEL=") {
				continue // crypto/tls is at level 2 and orders by itself
			}
			return nil, nil, fmt.Errorf("%q is no command of a cipher list", item)
		}
		sign, word := item[:1], item[1:]
		if !strings.Contains("!-+", sign) {
			sign, word = "", item
		}
		some, known := selects(word)
		if !known {
			return nil, nil, fmt.Errorf("%q is no cipher or word of OpenSSL; see openssl ciphers -v", word)
		}
		switch sign {
		case "":
			if len(some) == 0 {
				passed = append(passed, word)
			}
			for _, s := range some {
				if !has(banned, s) && !has(chosen, s) {
					chosen = append(chosen, s)
				}
			}
		case "!", "-":
			chosen = slices.DeleteFunc(chosen, func(s suite) bool { return has(some, s) })
			if sign == "!" {
				banned = append(banned, some...)
			}
		}
	}
	if len(chosen) == 0 {
		names := make([]string, len(suites))
		for i, s := range suites {
			names[i] = s.name
		}
		return nil, nil, fmt.Errorf("no cipher is left that can be served; there are %s", strings.Join(names, ", "))
	}
	for _, s := range chosen {
		ids = append(ids, s.id)
	}
	return ids, passed, nil
}
