package planner

import (
	"regexp"
	"strings"
)

// secretWord says whether a word in a key's name makes its value a
// credential. Whole words are compared, so that TOKENIZER and MONKEY stay readable.
func secretWord(word string) bool {
	switch word {
	case "password", "passwd", "passphrase", "pass", "pwd",
		"secret", "secrets", "token", "tokens", "key", "keys",
		"credential", "credentials", "creds", "dsn", "auth", "salt", "private":
		return true
	}
	// Words written without a separator: DBPASSWORD, ACCESSTOKEN.
	for _, ending := range []string{"password", "passwd", "secret", "token", "apikey", "credentials"} {
		if strings.HasSuffix(word, ending) {
			return true
		}
	}
	return false
}

// userinfo finds a password inside a URL.
var userinfo = regexp.MustCompile(`[a-zA-Z][a-zA-Z0-9+.-]*://[^/\s:@]*:[^/\s@]+@`)

// Secretive says whether a value under a key, such as the name of a variable, must not be shown.
func Secretive(key, value string) bool { return secretive(key, value) }

// secretive says whether a value under key must not be shown.
func secretive(key, value string) bool {
	return secretKey(key) || userinfo.MatchString(value)
}

// secretKey looks at the words of a key's last part.
func secretKey(key string) bool {
	for _, word := range words(key) {
		if secretWord(word) {
			return true
		}
	}
	return false
}

// words splits at everything that is not a letter or digit, and where camelCase begins a word.
func words(key string) []string {
	var out []string
	var word strings.Builder
	flush := func() {
		if word.Len() > 0 {
			out = append(out, strings.ToLower(word.String()))
			word.Reset()
		}
	}
	lower := false
	for _, r := range key {
		switch {
		case r >= 'A' && r <= 'Z':
			if lower {
				flush()
			}
			word.WriteRune(r)
			lower = false
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			word.WriteRune(r)
			lower = true
		default:
			flush()
			lower = false
		}
	}
	flush()
	return out
}
