package main

import (
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"strings"
)

// A step of a case, as tests/conformance/README.md explains it.
type step struct {
	Do         string                 `json:"do"`
	RPC        string                 `json:"rpc,omitempty"`
	Request    map[string]interface{} `json:"request"`
	Requests   []interface{}          `json:"requests,omitempty"`
	Expand     map[string]int         `json:"expand,omitempty"`
	Times      int                    `json:"times,omitempty"`
	Items      string                 `json:"items,omitempty"`
	Key        *string                `json:"key,omitempty"`
	DeadlineMS int                    `json:"deadline_ms,omitempty"`
	Status     string                 `json:"status,omitempty"`
	Reason     *string                `json:"reason,omitempty"`
	Metadata   map[string]string      `json:"metadata,omitempty"`
	Fields     *[]string              `json:"fields,omitempty"`
	Retry      *bool                  `json:"retry,omitempty"`
	Answer     map[string]interface{} `json:"answer,omitempty"`
	Count      map[string]int         `json:"count,omitempty"`
	Distinct   map[string]int         `json:"distinct,omitempty"`
	Save       map[string]string      `json:"save,omitempty"`
}

type testCase struct {
	Name  string `json:"name"`
	Steps []step `json:"steps"`
}

var placeholder = regexp.MustCompile(`\{\{[\w-]+\}\}`)

// filledIn is a copy in which every placeholder is replaced of which the value is known.
func filledIn(given step, values map[string]string) (made step) {
	text, err := json.Marshal(given)
	must(err)
	text = placeholder.ReplaceAllFunc(text, func(found []byte) []byte {
		if value, known := values[string(found[2:len(found)-2])]; known {
			return []byte(value)
		}
		return found
	})
	must(json.Unmarshal(text, &made))
	return made
}

// expanded is the request of a step, with the elements of its lists repeated.
func expanded(given step) map[string]interface{} {
	request := map[string]interface{}{}
	for name, value := range given.Request {
		request[name] = value
	}
	for name, times := range given.Expand {
		var repeated []interface{}
		for i := 0; i < times; i++ {
			repeated = append(repeated, request[name].([]interface{})[0])
		}
		request[name] = repeated
	}
	return request
}

// at is what is at a path; nil where there is nothing.
func at(value interface{}, path string) interface{} {
	return follow(value, strings.Split(path, "."))
}

func follow(value interface{}, names []string) interface{} {
	if len(names) == 0 {
		return value
	}
	name, rest := names[0], names[1:]
	switch value := value.(type) {
	case map[string]interface{}:
		return follow(value[name], rest)
	case []interface{}:
		if name == "*" {
			return each(value, rest)
		}
		if index, err := strconv.Atoi(name); err == nil && index < len(value) {
			return follow(value[index], rest)
		}
	}
	if name == "*" {
		return []interface{}{}
	}
	return nil
}

func each(elements []interface{}, rest []string) []interface{} {
	found := []interface{}{}
	for _, element := range elements {
		one := follow(element, rest)
		if several, isList := one.([]interface{}); isList && strings.Contains(strings.Join(rest, "."), "*") {
			found = append(found, several...)
		} else if one != nil {
			found = append(found, one)
		}
	}
	return found
}

func list(answer interface{}, path string) []interface{} {
	found, _ := at(answer, path).([]interface{})
	return found
}

// lookAt compares an answer with what the step expects of it.
func lookAt(answer interface{}, given step) error {
	for path, expected := range given.Answer {
		if err := compare(path, expected, at(answer, path)); err != nil {
			return err
		}
	}
	for path, expected := range given.Count {
		if err := compare("elements of "+path, expected, len(list(answer, path))); err != nil {
			return err
		}
	}
	for path, expected := range given.Distinct {
		different := map[interface{}]bool{}
		for _, one := range list(answer, path) {
			different[one] = true
		}
		if err := compare("different elements of "+path, expected, len(different)); err != nil {
			return err
		}
	}
	return nil
}

func compare(what string, expected, found interface{}) error {
	if reflect.DeepEqual(expected, found) {
		return nil
	}
	return fmt.Errorf("%s: expected %s, found %s", what, written(expected), written(found))
}

func written(value interface{}) string {
	text, err := json.Marshal(value)
	must(err)
	return fmt.Sprintf("%.300s", text)
}
