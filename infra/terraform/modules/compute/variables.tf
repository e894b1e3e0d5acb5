variable "prefix" {
  description = "What names begin with."
  type        = string
}

variable "account_id" {
  description = "The account."
  type        = string
}

variable "region" {
  description = "The region."
  type        = string
}

variable "vpc_cidr" {
  description = "The addresses of the network."
  type        = string
}

variable "kms_key_arn" {
  description = "The key that encrypts images and flow logs."
  type        = string
}

variable "bucket_arns" {
  description = "The buckets that jobs reach."
  type        = list(string)
}

variable "table_arn" {
  description = "The table that jobs reach."
  type        = string
}

variable "log_group" {
  description = "Where jobs log: name and ARN."
  type        = object({ name = string, arn = string })
}

variable "retention_days" {
  description = "How many days flow logs are kept."
  type        = number
}

variable "boundary_arn" {
  description = "The most that a role may do."
  type        = string
}

variable "pipeline_policy" {
  description = "What a job may do, as JSON."
  type        = string
}

variable "image_tag" {
  description = "The tag of the image that jobs run."
  type        = string
}

variable "environment" {
  description = "Environment variables of jobs."
  type        = map(string)
}

variable "protect" {
  description = "Keep the images when the repository is to be deleted."
  type        = bool
}
