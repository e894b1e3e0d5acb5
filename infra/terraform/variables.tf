variable "prefix" {
  description = "What the names of all resources begin with."
  type        = string
  default     = "cdp-dev"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,17}[a-z0-9]$", var.prefix)) && !strcontains(var.prefix, "--")
    error_message = "prefix: 3 to 19 characters, lower-case letters, digits and single hyphens, beginning with a letter; longer ones leave no room in a bucket's name."
  }
}

variable "region" {
  description = "The region of the lake."
  type        = string
  default     = "us-east-1"

  validation {
    condition     = can(regex("^[a-z]{2}-[a-z]+-[0-9]$", var.region))
    error_message = "region: a region's code such as us-east-1."
  }
}

variable "backup_region" {
  description = "The region of the replica."
  type        = string
  default     = "us-west-2"

  validation {
    condition     = can(regex("^[a-z]{2}-[a-z]+-[0-9]$", var.backup_region))
    error_message = "backup_region: a region's code such as us-west-2."
  }

  validation {
    condition     = var.backup_region != var.region
    error_message = "backup_region: a replica in the region of the original is lost together with it; name another one."
  }
}

variable "account_id" {
  description = "The only account in which to work; null takes the account of the credentials."
  type        = string
  default     = null

  validation {
    condition     = var.account_id == null || can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id: the 12 digits of an AWS account, in quotes."
  }
}

variable "github_repository" {
  description = "The repository whose workflows may take the roles, as owner/name."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9][A-Za-z0-9-]*/[A-Za-z0-9._-]+$", var.github_repository))
    error_message = "github_repository: owner/name of one repository. Wildcards would let repositories of other people in."
  }
}

variable "github_owner_id" {
  description = "The number of the repository's owner: gh api repos/OWNER/NAME --jq .owner.id"
  type        = string

  validation {
    condition     = can(regex("^[0-9]+$", var.github_owner_id))
    error_message = "github_owner_id: digits only; type: gh api repos/OWNER/NAME --jq .owner.id"
  }
}

variable "github_repository_id" {
  description = "The number of the repository: gh api repos/OWNER/NAME --jq .id"
  type        = string

  validation {
    condition     = can(regex("^[0-9]+$", var.github_repository_id))
    error_message = "github_repository_id: digits only; type: gh api repos/OWNER/NAME --jq .id"
  }
}

variable "github_environment" {
  description = "The protected environment that alone may apply. Its protection rules have to allow the branch main only."
  type        = string
  default     = "production"

  validation {
    condition     = can(regex("^[A-Za-z0-9._-]+$", var.github_environment))
    error_message = "github_environment: the name of one environment, without wildcards, colons or spaces."
  }
}

variable "github_provider_arn" {
  description = "GitHub's OIDC provider where the account has one already (it can have only one); null makes it."
  type        = string
  default     = null

  validation {
    condition     = var.github_provider_arn == null || can(regex("^arn:aws:iam::[0-9]{12}:oidc-provider/token.actions.githubusercontent.com$", var.github_provider_arn))
    error_message = "github_provider_arn: arn:aws:iam::ACCOUNT:oidc-provider/token.actions.githubusercontent.com"
  }
}

variable "protect" {
  description = "Refuse to delete buckets that hold something, and the table. Set to false and apply before a destroy."
  type        = bool
  default     = true
}

variable "bronze_archive_class" {
  description = "Where bronze goes after 90 days. GLACIER takes hours to read from, GLACIER_IR milliseconds at a higher price."
  type        = string
  default     = "GLACIER"

  validation {
    condition     = contains(["GLACIER", "GLACIER_IR"], var.bronze_archive_class)
    error_message = "bronze_archive_class: GLACIER or GLACIER_IR."
  }
}

variable "noncurrent_days" {
  description = "How many days a version is kept after it was replaced or deleted."
  type        = number
  default     = 90

  validation {
    condition     = var.noncurrent_days >= 7 && floor(var.noncurrent_days) == var.noncurrent_days
    error_message = "noncurrent_days: whole days, 7 or more: a mistake has to be found before its last good version goes."
  }
}

variable "log_retention_days" {
  description = "How many days logs are kept."
  type        = number
  default     = 365

  validation {
    condition     = contains([365, 400, 545, 731, 1096, 1827], var.log_retention_days)
    error_message = "log_retention_days: one of 365, 400, 545, 731, 1096, 1827, which CloudWatch takes."
  }
}

variable "alarm_email" {
  description = "Who gets a mail when an alarm goes off; null for nobody."
  type        = string
  default     = null

  validation {
    condition     = var.alarm_email == null || can(regex("^[^@ ]+@[^@ ]+[.][^@ ]+$", var.alarm_email))
    error_message = "alarm_email: an address such as team@example.org."
  }
}

variable "stale_after_days" {
  description = "An alarm goes off when gold was not made for so many days."
  type        = number
  default     = 2

  validation {
    condition     = var.stale_after_days >= 1 && var.stale_after_days <= 7 && floor(var.stale_after_days) == var.stale_after_days
    error_message = "stale_after_days: 1 to 7 whole days; CloudWatch looks no further back."
  }
}

variable "replication" {
  description = "Copy buckets and table to backup_region, within 15 minutes, and keep replaced versions in an archive there."
  type        = bool
  default     = false
}

variable "archive_class" {
  description = "The archive in which the replica keeps replaced versions."
  type        = string
  default     = "GLACIER"

  validation {
    condition     = contains(["GLACIER", "DEEP_ARCHIVE"], var.archive_class)
    error_message = "archive_class: GLACIER or DEEP_ARCHIVE."
  }
}

variable "compute" {
  description = "Make network and queue that run the pipeline's image. Its endpoints cost money at rest; see infra/README.md."
  type        = bool
  default     = true
}

variable "vpc_cidr" {
  description = "The addresses of the network, a /16 to /24."
  type        = string
  default     = "10.71.0.0/20"

  validation {
    condition     = can(cidrnetmask(var.vpc_cidr)) && try(tonumber(split("/", var.vpc_cidr)[1]) >= 16 && tonumber(split("/", var.vpc_cidr)[1]) <= 24, false)
    error_message = "vpc_cidr: an IPv4 network from /16 to /24, such as 10.71.0.0/20."
  }
}

variable "image_tag" {
  description = "The tag of the image that jobs run: the commit that it was built from. Tags can't be moved."
  type        = string
  default     = "unreleased"

  validation {
    condition     = can(regex("^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$", var.image_tag)) && !contains(["latest", "main"], var.image_tag)
    error_message = "image_tag: a commit's hash or a version; latest and main would not tell what ran."
  }
}
