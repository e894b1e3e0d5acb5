variable "prefix" {
  description = "What names begin with."
  type        = string
}

variable "account_id" {
  description = "The account."
  type        = string
}

variable "kms_key_arn" {
  description = "The key of the originals."
  type        = string
}

variable "replica_key_arn" {
  description = "The key of the replicas, in the other region."
  type        = string
}

variable "sources" {
  description = "The buckets to copy, by a short name. `versioning` is only waited for."
  type        = map(object({ name = string, arn = string, versioning = string }))
}

variable "archive_class" {
  description = "The storage class of replaced versions."
  type        = string
}

variable "log_retention_days" {
  description = "How many days access logs are kept."
  type        = number
}

variable "boundary_arn" {
  description = "The most that a role may do."
  type        = string
}

variable "force_destroy" {
  description = "Let a destroy delete the replicas' data."
  type        = bool
}
