package settings

import "encoding/json"

// hidden is shown in place of a value that is nobody's business.
const hidden = "***"

// conceal returns the value of s as it may be shown: in dictionaries that are the value of the key Secret, every value is hidden. What is
// no JSON is hidden whole.
func (s *Setting) conceal(raw json.RawMessage) json.RawMessage {
	if s.Secret == "" || len(raw) == 0 {
		return raw
	}
	var values any
	if json.Unmarshal(raw, &values) != nil {
		return json.RawMessage(`"` + hidden + `"`)
	}
	shown, err := json.Marshal(concealIn(values, s.Secret, false))
	if err != nil {
		return json.RawMessage(`"` + hidden + `"`)
	}
	return shown
}

func concealIn(value any, key string, secret bool) any {
	switch value := value.(type) {
	case map[string]any:
		for name, item := range value {
			value[name] = concealIn(item, key, secret || name == key)
		}
		return value
	case []any:
		for i, item := range value {
			value[i] = concealIn(item, key, secret)
		}
		return value
	}
	if secret {
		return hidden
	}
	return value
}
