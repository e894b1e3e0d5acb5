# The bucket that holds the state of everything else. `make infra.init` makes it once. Its own state is a local file: if it
# is lost, only `make infra.init` forgets how to change the bucket, and `terraform import` teaches it again.
terraform {
  required_version = ">= 1.11"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }
}

variable "prefix" {
  description = "What the names of all resources begin with."
  type        = string
  default     = "cdp-dev"
}

variable "region" {
  description = "The region of the state."
  type        = string
  default     = "us-east-1"
}

variable "protect" {
  description = "Refuse to delete the bucket while it holds a state."
  type        = bool
  default     = true
}

provider "aws" {
  region = var.region

  default_tags {
    tags = {
      Project   = var.prefix
      Component = "potato-weight-nutrition"
      ManagedBy = "terraform"
    }
  }
}

module "bucket" {
  source = "../modules/bucket"

  name            = "${var.prefix}-potato-state-"
  noncurrent_days = 365
  force_destroy   = !var.protect
}

output "bucket" {
  description = "The bucket of the state."
  value       = module.bucket.name
}

output "region" {
  description = "The region of the bucket."
  value       = var.region
}
