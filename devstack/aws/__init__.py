"""The AWS control plane, emulated: a moto server, and what moto lacks of AWS Backup and EFS."""

COPY_REGION = "us-west-2"  # where a vault stands ready for copies
SECRETS = "EMULATED_AWS_SECRETS"  # variable of the server's process: what Secrets Manager holds, JSON
