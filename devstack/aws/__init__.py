"""The AWS control plane, emulated: a moto server, and what moto lacks of AWS Backup and EFS."""
