terraform {
  required_version = ">= 1.11" # use_lockfile, and ephemeral overrides of mocks in tests

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }

  # Bucket and region come from backend.hcl, which `make infra.init` writes.
  backend "s3" {
    key          = "potato.tfstate"
    encrypt      = true
    use_lockfile = true
  }
}

provider "aws" {
  region              = var.region
  allowed_account_ids = var.account_id == null ? null : [var.account_id]

  default_tags {
    tags = local.tags
  }
}

# The region that holds the replica. Nothing is made there unless `replication` is on.
provider "aws" {
  alias               = "backup"
  region              = var.backup_region
  allowed_account_ids = var.account_id == null ? null : [var.account_id]

  default_tags {
    tags = local.tags
  }
}
