package main

import (
	"context"
	"encoding/json"
	"io"
	"reflect"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	reflexio "reflexio.example/go/reflexio/v1"
)

// How a call ended.
type outcome struct {
	answer   interface{} // In proto3 JSON.
	status   string
	message  string
	reason   string
	metadata map[string]string
	fields   []string
	retry    bool
}

// One connection to the server, with a client for each service.
type calls struct {
	key     string
	clients map[string]interface{}
}

func newCalls(target, key string) *calls {
	// Waits for the connection, so that a server that is started again is found.
	connection, err := grpc.Dial(target, grpc.WithInsecure(), grpc.WithDefaultCallOptions(grpc.WaitForReady(true)))
	must(err)
	return &calls{key, map[string]interface{}{
		"AccessService":      reflexio.NewAccessServiceClient(connection),
		"DataService":        reflexio.NewDataServiceClient(connection),
		"InteractionService": reflexio.NewInteractionServiceClient(connection),
		"RequestService":     reflexio.NewRequestServiceClient(connection),
		"ServerService":      reflexio.NewServerServiceClient(connection),
	}}
}

// make makes a call of any kind with one request, or all of a stream. A nil key is the usual one, an empty one none.
func (c *calls) make(rpc string, requests []interface{}, key *string, patience time.Duration) outcome {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if key == nil {
		key = &c.key
	}
	if *key != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+*key)
	}
	service, name, _ := strings.Cut(rpc, "/")
	method := methodOf(service, name)
	messages := []proto.Message{}
	for _, request := range requests {
		messages = append(messages, messageOf(method.Input(), request))
	}
	call := reflect.ValueOf(c.clients[service]).MethodByName(name)
	given := []reflect.Value{reflect.ValueOf(ctx)}
	if !method.IsStreamingClient() {
		given = append(given, reflect.ValueOf(messages[0]))
	}
	made := call.Call(given)
	if err, failed := made[1].Interface().(error); failed {
		return endedWith(err)
	}
	if !method.IsStreamingServer() {
		return outcome{status: "OK", answer: inJSON(made[0].Interface().(proto.Message))}
	}
	stream := made[0].Interface().(grpc.ClientStream)
	if method.IsStreamingClient() {
		go send(stream, messages)
	}
	return received(stream, method.Output())
}

func methodOf(service, name string) protoreflect.MethodDescriptor {
	found, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName("reflexio.v1." + service))
	must(err)
	return found.(protoreflect.ServiceDescriptor).Methods().ByName(protoreflect.Name(name))
}

func newMessage(described protoreflect.MessageDescriptor) proto.Message {
	kind, err := protoregistry.GlobalTypes.FindMessageByName(described.FullName())
	must(err)
	return kind.New().Interface()
}

func messageOf(described protoreflect.MessageDescriptor, request interface{}) proto.Message {
	text, err := json.Marshal(request)
	must(err)
	message := newMessage(described)
	must(protojson.Unmarshal(text, message))
	return message
}

func inJSON(message proto.Message) (value interface{}) {
	text, err := protojson.Marshal(message)
	must(err)
	must(json.Unmarshal(text, &value))
	return value
}

func send(stream grpc.ClientStream, messages []proto.Message) {
	for _, message := range messages {
		if stream.SendMsg(message) != nil {
			return // The receiving side is told why.
		}
	}
	_ = stream.CloseSend()
}

func received(stream grpc.ClientStream, described protoreflect.MessageDescriptor) outcome {
	messages := []interface{}{}
	for {
		message := newMessage(described)
		err := stream.RecvMsg(message)
		if err == io.EOF {
			return outcome{status: "OK", answer: map[string]interface{}{"messages": messages}}
		}
		if err != nil {
			return endedWith(err)
		}
		messages = append(messages, inJSON(message))
	}
}

func endedWith(err error) outcome {
	told := status.Convert(err)
	ended := outcome{status: statusNames[told.Code()], message: told.Message(), fields: []string{}}
	for _, detail := range told.Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			if detail.Domain == "reflexio" {
				ended.reason, ended.metadata = detail.Reason, detail.Metadata
			}
		case *errdetails.BadRequest:
			for _, violation := range detail.FieldViolations {
				ended.fields = append(ended.fields, violation.Field)
			}
		case *errdetails.RetryInfo:
			ended.retry = detail.RetryDelay.AsDuration() > 0
		}
	}
	return ended
}
