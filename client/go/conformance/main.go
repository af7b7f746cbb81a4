// The runner that tests/conformance/README.md describes: conformance host:port cases.json [case…]
package main

import (
	"bufio"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"runtime"
	"runtime/debug"
	"strconv"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
)

const usualPatience = 30 * time.Second

// Go writes DeadlineExceeded where gRPC says DEADLINE_EXCEEDED.
var statusNames = map[codes.Code]string{
	codes.OK:                 "OK",
	codes.Canceled:           "CANCELLED",
	codes.Unknown:            "UNKNOWN",
	codes.InvalidArgument:    "INVALID_ARGUMENT",
	codes.DeadlineExceeded:   "DEADLINE_EXCEEDED",
	codes.NotFound:           "NOT_FOUND",
	codes.AlreadyExists:      "ALREADY_EXISTS",
	codes.PermissionDenied:   "PERMISSION_DENIED",
	codes.ResourceExhausted:  "RESOURCE_EXHAUSTED",
	codes.FailedPrecondition: "FAILED_PRECONDITION",
	codes.Aborted:            "ABORTED",
	codes.OutOfRange:         "OUT_OF_RANGE",
	codes.Unimplemented:      "UNIMPLEMENTED",
	codes.Internal:           "INTERNAL",
	codes.Unavailable:        "UNAVAILABLE",
	codes.DataLoss:           "DATA_LOSS",
	codes.Unauthenticated:    "UNAUTHENTICATED",
}

var restarted = bufio.NewReader(os.Stdin)

// One run of one case.
type run struct {
	calls  *calls
	values map[string]string
}

func (r *run) do(given step) error {
	filled := filledIn(given, r.values)
	switch given.Do {
	case "restart":
		say(map[string]interface{}{"restart": true})
		_, err := restarted.ReadString('\n')
		return err
	case "exchange":
		requests := filled.Requests
		for i := 0; i < filled.Times; i++ {
			requests = append(requests, indexed(filled, i).Request)
		}
		return r.judge(filled, r.make(filled, requests...))
	case "pages":
		return r.judge(filled, r.pages(filled))
	}
	for i := 0; i == 0 || i < filled.Times; i++ {
		one := indexed(filled, i)
		if err := r.judge(one, r.make(one, expanded(one))); err != nil {
			return err
		}
	}
	return nil
}

func indexed(given step, index int) step {
	return filledIn(given, map[string]string{"index": strconv.Itoa(index)})
}

func (r *run) pages(given step) outcome {
	items := []interface{}{}
	request := expanded(given)
	for pages := 1; ; pages++ {
		ended := r.make(given, request)
		if ended.status != "OK" {
			return ended
		}
		items = append(items, list(ended.answer, given.Items)...)
		token := at(ended.answer, "nextPageToken")
		if token == nil {
			return outcome{status: "OK", answer: map[string]interface{}{"pages": float64(pages), "items": items}}
		}
		request["pageToken"] = token
	}
}

func (r *run) make(given step, requests ...interface{}) outcome {
	patience := usualPatience
	if given.DeadlineMS > 0 {
		patience = time.Duration(given.DeadlineMS) * time.Millisecond
	}
	return r.calls.make(given.RPC, requests, given.Key, patience)
}

func (r *run) judge(given step, ended outcome) error {
	expected := given.Status
	if expected == "" {
		expected = "OK"
	}
	if ended.status != expected {
		return fmt.Errorf("expected %s, found %s %s: %s", expected, ended.status, ended.reason, ended.message)
	}
	if given.Reason != nil && *given.Reason != ended.reason {
		return fmt.Errorf("reason: expected %s, found %s", *given.Reason, ended.reason)
	}
	if given.Fields != nil && !reflect.DeepEqual(*given.Fields, ended.fields) {
		return fmt.Errorf("fields: expected %s, found %s", *given.Fields, ended.fields)
	}
	if given.Retry != nil && *given.Retry != ended.retry {
		return fmt.Errorf("retry: expected %t, found %t", *given.Retry, ended.retry)
	}
	for name, value := range given.Metadata {
		if found, there := ended.metadata[name]; !there || found != value {
			return fmt.Errorf("metadata: expected %s, found %s", given.Metadata, ended.metadata)
		}
	}
	if err := lookAt(ended.answer, given); err != nil {
		return err
	}
	for name, path := range given.Save {
		kept, isText := at(ended.answer, path).(string)
		if !isText {
			return fmt.Errorf("there is no text at %s", path)
		}
		r.values[name] = kept
	}
	return nil
}

func runCase(given testCase, calls *calls) {
	began := time.Now()
	problem := ""
	running := run{calls, map[string]string{"unique": fmt.Sprintf("%x", random(8)), "uuid": uuid()}}
	for i, one := range given.Steps {
		if err := running.do(one); err != nil {
			problem = fmt.Sprintf("step %d, %s %s: %v", i+1, one.Do, one.RPC, err)
			break
		}
	}
	seconds := time.Since(began).Round(time.Millisecond).Seconds()
	say(map[string]interface{}{"case": given.Name, "ok": problem == "", "seconds": seconds, "error": problem})
}

func random(size int) []byte {
	bytes := make([]byte, size)
	_, err := rand.Read(bytes)
	must(err)
	return bytes
}

func uuid() string {
	bytes := random(16)
	bytes[6], bytes[8] = bytes[6]&0x0f|0x40, bytes[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", bytes[:4], bytes[4:6], bytes[6:8], bytes[8:10], bytes[10:])
}

func say(line map[string]interface{}) {
	text, err := json.Marshal(line)
	must(err)
	fmt.Println(string(text))
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// versions are those that are known without modules: the program's own, where it was built with them, and gRPC's.
func versions() map[string]string {
	found := map[string]string{"go": runtime.Version(), "grpc": grpc.Version}
	if built, known := debug.ReadBuildInfo(); known {
		for _, module := range built.Deps {
			if module.Path == "google.golang.org/protobuf" {
				found["protobuf"] = module.Version
			}
		}
	}
	return found
}

func main() {
	text, err := os.ReadFile(os.Args[2])
	must(err)
	var table struct {
		Cases []testCase `json:"cases"`
	}
	must(json.Unmarshal(text, &table))
	named := map[string]bool{}
	for _, name := range os.Args[3:] {
		named[name] = true
	}
	say(map[string]interface{}{"versions": versions()})
	calls := newCalls(os.Args[1], os.Getenv("REFLEXIO_API_KEY"))
	for _, one := range table.Cases {
		if len(named) == 0 || named[one.Name] {
			runCase(one, calls)
		}
	}
}
