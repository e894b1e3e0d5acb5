output "bucket" {
  description = "The lake's bucket."
  value       = module.bucket.name
}

output "arn" {
  description = "The ARN of the lake's bucket."
  value       = module.bucket.arn
}

output "versioning" {
  description = "Known once versions are kept."
  value       = module.bucket.versioning
}

output "locations" {
  description = "Where each dataset lies, by layer and name."
  value = { for layer, datasets in local.layers : layer => {
    for dataset in datasets : dataset => "s3://${module.bucket.name}/${layer}/${dataset}/"
  } }
}
