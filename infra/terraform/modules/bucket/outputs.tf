output "name" {
  description = "The bucket's name."
  value       = aws_s3_bucket.this.id
}

output "arn" {
  description = "The bucket's ARN."
  value       = aws_s3_bucket.this.arn
}

output "log_target" {
  description = "The name for buckets that log into this one, which S3 lets them do once the policy says so."
  value       = aws_s3_bucket.this.id
  depends_on  = [aws_s3_bucket_policy.this]
}

output "versioning" {
  description = "Known once versions are kept; replication has to wait for it."
  value       = aws_s3_bucket_versioning.this.id
}

output "policy" {
  description = "The bucket's policy, as JSON."
  value       = aws_s3_bucket_policy.this.policy
}
