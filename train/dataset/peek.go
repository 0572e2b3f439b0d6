package dataset

// ReadInfo describes the dataset in a folder, and says how many episodes it has, without reading them. Its errors are
// Read's.
func ReadInfo(dir string) (Info, int, error) {
	j, info, _, err := describe(dir, "")
	return info, j.TotalEpisodes, err
}
