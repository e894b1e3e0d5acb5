output "bucket" {
  description = "The bucket of artifacts."
  value       = module.bucket.name
}

output "arn" {
  description = "The ARN of the bucket."
  value       = module.bucket.arn
}

output "versioning" {
  description = "Known once versions are kept."
  value       = module.bucket.versioning
}

output "table" {
  description = "The table's name."
  value       = aws_dynamodb_table.backend.name
}

output "table_arn" {
  description = "The table's ARN."
  value       = aws_dynamodb_table.backend.arn
}

output "replica_region" {
  description = "The region of the table's replica; null for none."
  value       = var.replica == null ? null : var.replica.region
}
