// Publishes two interactions and finds one of them.
package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"log"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	reflexio "reflexio.example/go/reflexio/v1"
)

func main() {
	target := "127.0.0.1:8081"
	if len(os.Args) > 1 {
		target = os.Args[1]
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if key := os.Getenv("REFLEXIO_API_KEY"); key != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+key)
	}
	connection, err := grpc.Dial(target, grpc.WithInsecure(), grpc.WithDefaultCallOptions(grpc.WaitForReady(true)))
	check(err)
	defer connection.Close()
	client := reflexio.NewInteractionServiceClient(connection)

	_, err = client.PublishInteractions(ctx, &reflexio.PublishInteractionsRequest{
		UserId:         "ana",
		IdempotencyKey: unique(),
		Interactions: []*reflexio.NewInteraction{
			{Content: "My phone battery is empty by noon."},
			{Content: "I have moved to Lisbon."},
		},
	})
	check(err)
	topK := int32(1)
	found, err := client.SearchInteractions(ctx, &reflexio.SearchInteractionsRequest{
		UserId: "ana", Query: "Which city has she moved to?", TopK: &topK,
	})
	check(err)
	for _, hit := range found.GetHits() {
		fmt.Printf("%s: %s\n", hit.GetInteraction().GetRole(), hit.GetInteraction().GetContent())
	}
}

func unique() string {
	bytes := make([]byte, 16)
	_, err := rand.Read(bytes)
	check(err)
	return fmt.Sprintf("%x", bytes)
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
