// Command env answers what the AWS policy agent asks of an EC2 node: the instance metadata service for the
// node's own address, and ipamd for the enforcement mode.
//
//	env NODE_ADDRESS
package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"net"
	"net/http"
	"os"

	cnirpc "github.com/aws/amazon-vpc-cni-k8s/rpc"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"
)

const (
	metadata = "127.0.0.1:1338"
	ipamd    = "/var/run/aws-node/ipamd.sock"
)

type configuration struct {
	cnirpc.UnimplementedConfigServerBackendServer
}

func (configuration) GetNetworkPolicyConfigs(context.Context, *emptypb.Empty) (*cnirpc.NetworkPolicyAgentConfigReply, error) {
	return &cnirpc.NetworkPolicyAgentConfigReply{NetworkPolicyMode: "standard"}, nil
}

func main() {
	address := os.Args[1]
	http.HandleFunc("/latest/api/token", func(answer http.ResponseWriter, _ *http.Request) {
		answer.Header().Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "21600")
		fmt.Fprint(answer, "token")
	})
	http.HandleFunc("/latest/meta-data/local-ipv4", func(answer http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(answer, address)
	})
	go func() { log.Fatal(http.ListenAndServe(metadata, nil)) }()

	if err := os.Remove(ipamd); err != nil && !errors.Is(err, fs.ErrNotExist) {
		log.Fatal(err)
	}
	listener, err := net.Listen("unix", ipamd)
	if err != nil {
		log.Fatal(err)
	}
	server := grpc.NewServer()
	cnirpc.RegisterConfigServerBackendServer(server, configuration{})
	log.Fatal(server.Serve(listener))
}
