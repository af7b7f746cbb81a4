// Publishes over TLS with a key, tries again while the server is away, and says why it was refused.
package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"log"
	"os"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	reflexio "reflexio.example/go/reflexio/v1"
)

// bearer sends an API key with each call, over TLS only.
type bearer string

func (key bearer) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer " + string(key)}, nil
}

func (bearer) RequireTransportSecurity() bool { return true }

// retrying repeats a call that ends with UNAVAILABLE, after 100, 200, 400… milliseconds, within its deadline.
func retrying(ctx context.Context, method string, request, reply interface{}, connection *grpc.ClientConn,
	invoke grpc.UnaryInvoker, options ...grpc.CallOption) error {
	for pause := 100 * time.Millisecond; ; pause *= 2 {
		err := invoke(ctx, method, request, reply, connection, options...)
		if status.Code(err) != codes.Unavailable || pause > 2*time.Second {
			return err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return err
		}
	}
}

func main() {
	tls := credentials.NewClientTLSFromCert(nil, "") // The machine's own authorities.
	if file := os.Getenv("REFLEXIO_CA"); file != "" {
		var err error
		if tls, err = credentials.NewClientTLSFromFile(file, ""); err != nil {
			log.Fatal(err)
		}
	}
	connection, err := grpc.Dial(os.Args[1], grpc.WithTransportCredentials(tls),
		grpc.WithPerRPCCredentials(bearer(os.Getenv("REFLEXIO_API_KEY"))), grpc.WithUnaryInterceptor(retrying))
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	published, err := reflexio.NewInteractionServiceClient(connection).PublishInteractions(ctx,
		&reflexio.PublishInteractionsRequest{
			UserId:         "ana",
			Interactions:   []*reflexio.NewInteraction{{Content: "I have moved to Lisbon."}},
			IdempotencyKey: unique(), // A repetition under it stores nothing.
		})
	if err != nil {
		log.Fatalf("%s: %v", reasonOf(err), err)
	}
	fmt.Println(published.GetMessage())
}

func unique() string {
	bytes := make([]byte, 16)
	if _, err := rand.Read(bytes); err != nil {
		log.Fatal(err)
	}
	return fmt.Sprintf("%x", bytes)
}

func reasonOf(err error) string {
	for _, detail := range status.Convert(err).Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok {
			return info.Reason
		}
	}
	return status.Code(err).String()
}
