output "name" {
  description = "The bucket's name."
  value       = aws_s3_bucket.this.id
}

output "arn" {
  description = "The bucket's ARN."
  value       = aws_s3_bucket.this.arn
}

output "versioning" {
  description = "Known once versions are kept; replication has to wait for it."
  value       = aws_s3_bucket_versioning.this.id
}

output "policy" {
  description = "The bucket's policy, as JSON."
  value       = aws_s3_bucket_policy.this.policy
}
